"""Stands in for memory cgroups: looks ten times a second whether a cell takes more than its function may.

RLIMIT_DATA bounds each process; this bounds all of a cell's processes together.
"""

import asyncio
import time
from collections.abc import Callable

from nanogrid.clock import Clock
from nanogrid.model import Record
from nanogrid.sandbox import processes

_PERIOD_S = 0.1
#: A look may take at most one part in so many of the time, however many cells there are.
_LOOK_SHARE = 10


class Ceiling(Record, frozen=True, kw_only=True):
    """One cell, and what it may take."""

    members: Callable[[], list[int]]
    limit_bytes: int
    #: Called once, in the event loop, when the limit is passed.
    on_exceeded: Callable[[], None]


class MemoryWatch:
    """One task for all cells, alive while there are any."""

    def __init__(self, clock: Clock) -> None:
        """The clock decides how long it sleeps between two looks."""
        self._clock = clock
        self._ceilings: dict[int, Ceiling] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, key: int, ceiling: Ceiling) -> None:
        """Watch from now on, under a key of the caller's."""
        self._ceilings[key] = ceiling
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look_again_and_again())

    def remove(self, key: int) -> None:
        """Watch no longer. Idempotent."""
        self._ceilings.pop(key, None)
        if not self._ceilings and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look_again_and_again(self) -> None:
        while True:
            began = time.perf_counter()
            # Reading /proc takes some 50 microseconds for each process: not in the event loop.
            exceeded = await asyncio.to_thread(_exceeded, dict(self._ceilings))
            took_s = time.perf_counter() - began
            for key in exceeded:
                if ceiling := self._ceilings.pop(key, None):
                    ceiling.on_exceeded()
            await self._clock.sleep(max(_PERIOD_S, took_s * _LOOK_SHARE))


def _exceeded(ceilings: dict[int, Ceiling]) -> list[int]:
    return [key for key, one in ceilings.items() if _takes_more(one.members(), one.limit_bytes)]


def _takes_more(members: list[int], limit_bytes: int) -> bool:
    if sum(map(processes.resident_bytes, members)) <= limit_bytes:
        return False
    # Forked processes share most of their memory; only where the quick sum is too much it is worth to count exactly.
    return len(members) == 1 or sum(map(processes.proportional_bytes, members)) > limit_bytes
