"""Being cancelled while redis-py works.

Its connections (8.1) catch the cancellation of a task in which they are being made, and go on. A loop that nobody can
end keeps its process from ending; so loops that talk to Redis ask here.
"""

import asyncio


def heed_cancellation() -> None:
    """Raise `CancelledError` where the task that asks was cancelled and has not heard of it.

    Not for what is done after a cancellation that was caught on purpose: that would end, too.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
