"""Being cancelled while redis-py works.

Its connections (8.1) catch the cancellation of a task in which they are being made, and go on. A loop that nobody can
end keeps its process from ending; so loops that talk to Redis do so in here.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise `CancelledError` at the end where the task was cancelled meanwhile, whatever has become of that inside."""
    task = asyncio.current_task()
    # Not zero in every task: before Python 3.13 a group whose member failed leaves a request behind.
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
