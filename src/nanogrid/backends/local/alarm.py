"""One sleeper for many moments."""

import asyncio
import math
from collections.abc import Callable

from nanogrid.clock import Clock


class Alarm:
    """Calls back at the earliest moment it was set to; setting it later than that costs nothing.

    Moments are the clock's monotonic seconds.
    """

    def __init__(self, clock: Clock, ring: Callable[[], float]) -> None:
        """`ring` does what is due and returns the next moment, `math.inf` for none. It must not set the alarm."""
        self._clock = clock
        self._ring = ring
        self._at = math.inf
        self._sleeper: asyncio.Task[None] | None = None

    def set(self, at: float) -> None:
        """Ring at this moment, or before."""
        if at >= self._at:
            return
        self.stop()
        self._at = at
        self._sleeper = asyncio.create_task(self._sleep())

    def stop(self) -> None:
        """Forget every moment."""
        self._at = math.inf
        if self._sleeper is not None:
            self._sleeper.cancel()
            self._sleeper = None

    async def _sleep(self) -> None:
        while self._at < math.inf:
            await self._clock.sleep(max(0.0, self._at - self._clock.monotonic()))
            self._at = self._ring()
