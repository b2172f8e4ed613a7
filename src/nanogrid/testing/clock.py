"""A clock that is turned by hand."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from nanogrid.clock import Clock

#: Turns of the event loop that let whoever was woken act, and those they wake in turn.
_TURNS = 20


async def let_act() -> None:
    """Return when whoever could act at once has acted."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class ManualClock(Clock):
    """Stands still until `advance`. It begins at the start of the year 2026."""

    def __init__(self, settle: Callable[[], Awaitable[None]] = let_act) -> None:
        """`settle` returns when all who have been woken have acted."""
        self._settle = settle
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """See `Clock`."""
        return self._now

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has been advanced so far; at the next turn of the loop for nothing or less."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._numbers), woken))
        await woken

    async def sleep_until(self, moment: datetime) -> None:
        """See `Clock`: exactly then, for this clock is turned and never set."""
        await self.sleep((moment - self._now).total_seconds())

    @property
    def next_in(self) -> float:
        """How far the next sleeper is, in seconds; `math.inf` where nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] - self._monotonic if self._sleepers else math.inf

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Turn the clock, waking each sleeper at his moment; whoever can act has acted when this returns."""
        await self._settle()
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._turn_to(at)
            if not woken.done():
                woken.set_result(None)
                await self._settle()
        self._turn_to(end)
        await self._settle()

    def _turn_to(self, at: float) -> None:
        self._now += timedelta(seconds=max(0.0, at - self._monotonic))
        self._monotonic = max(at, self._monotonic)
