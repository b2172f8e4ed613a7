"""The two alarms of the stack, and the step scaling policies behind them."""

from collections.abc import Awaitable, Callable

from nanogrid.clock import Clock
from nanogrid.model import Record

#: So many waiting tasks or more call for another worker.
MANY = 10


class Pace(Record, frozen=True, kw_only=True):
    """How the alarms count time."""

    #: From one look to the next, in seconds. On AWS it is a minute.
    period_s: float
    #: How many looks in a row have to find nothing before a worker goes.
    empty_periods: int


class Alarms:
    """Looks at the backlog once a period: 10 or more is one worker more, none at all is one less."""

    def __init__(
        self, visible: Callable[[], Awaitable[int]], change: Callable[[int], None], clock: Clock, pace: Pace
    ) -> None:
        """`visible` is how many tasks wait; `change` changes the group's capacity."""
        self._visible = visible
        self._change = change
        self._clock = clock
        self._pace = pace

    async def run(self) -> None:
        """Look until cancelled. As on AWS, an alarm acts once a period for as long as it lasts."""
        empty = 0
        while True:
            await self._clock.sleep(self._pace.period_s)
            visible = await self._visible()
            empty = empty + 1 if visible == 0 else 0
            if visible >= MANY:
                self._change(1)
            elif empty >= self._pace.empty_periods:
                self._change(-1)
