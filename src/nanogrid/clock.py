"""Time as a collaborator: the real clock here, one that a test turns by hand in the tests."""

import asyncio
import time
from datetime import UTC, datetime

#: How often a sleep until some time of day looks what the time is.
_LOOK_S = 60.0


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC; it may jump, so it is only ever written down, never subtracted."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, moment: datetime) -> None:
        """Return at that time of day, or within a minute after where the machine slept or its clock was set."""
        while (left := (moment - self.now()).total_seconds()) > 0:
            await self.sleep(min(left, _LOOK_S))


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond, never negative."""
    return max(0.0, round(seconds * 1000, 3))
