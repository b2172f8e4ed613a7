"""A clock that a test turns by hand."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

from nanogrid.clock import Clock

#: Turns of the event loop that let whoever was woken act, and those they wake in turn.
_TURNS = 20


class ManualClock(Clock):
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has been advanced so far; at the next turn of the loop for nothing or less."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._numbers), woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many sleep."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Turn the clock, waking each sleeper at his moment; whoever can act has acted when this returns."""
        await self._let_act()
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._turn_to(at)
            if not woken.done():
                woken.set_result(None)
                await self._let_act()
        self._turn_to(end)
        await self._let_act()

    def _turn_to(self, at: float) -> None:
        self._now += timedelta(seconds=max(0.0, at - self._monotonic))
        self._monotonic = max(at, self._monotonic)

    async def _let_act(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
