"""Waiting in tests: for a fact, never for a time."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds; the test's own time-out is the only limit."""
    while not condition():  # noqa: ASYNC110 - facts of another process have no event to wait for
        await asyncio.sleep(0)
