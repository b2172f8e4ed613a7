"""A clock that a test turns by hand."""

import asyncio
from datetime import UTC, datetime, timedelta

from nanogrid.clock import Clock


class ManualClock(Clock):
    """Stands still until `advance`; whoever sleeps is woken in the order of their moments."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced so far; at once for zero or less, as the real one does."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Let time pass at once, and wake who is due; they run when the caller next awaits."""
        self._elapsed += seconds
        due = sorted((s for s in self._sleepers if s[0] <= self._elapsed), key=lambda sleeper: sleeper[0])
        self._sleepers = [s for s in self._sleepers if s[0] > self._elapsed]
        for _, woken in due:
            if not woken.done():
                woken.set_result(None)

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return sum(not woken.done() for _, woken in self._sleepers)
