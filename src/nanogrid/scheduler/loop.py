"""Keeps a scheduler going in a process that stays: wakes it when the next schedule is due, and at every change."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from nanogrid.clock import Clock
from nanogrid.errors import NanoGridError
from nanogrid.scheduler.scheduler import Scheduler, Served

#: How soon it looks again when it could not look at all.
_AGAIN = timedelta(seconds=5)


class SchedulerLoop:
    """Drives one scheduler."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Clock,
        *,
        until_ended: Callable[[str, str], Awaitable[object]],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """`until_ended` returns when a tenant's run has ended, or after a while; `on_failure` hears what went wrong."""
        self._scheduler = scheduler
        self._clock = clock
        self._until_ended = until_ended
        self._on_failure = on_failure
        self._changed = asyncio.Event()
        self._serving = False
        self._watchers: dict[tuple[str, str], asyncio.Task[object]] = {}

    @property
    def busy(self) -> bool:
        """Whether it has something to do now."""
        return self._serving or self._changed.is_set()

    def wake(self) -> None:
        """Look at the agenda now: a schedule is new, or another one than before."""
        self._changed.set()

    async def run(self) -> None:
        """Fire schedules until cancelled."""
        try:
            while True:
                self._serving = True
                self._changed.clear()
                served = await self._served()
                self._watch(served.awaited)
                self._serving = False
                await self._rest(served.next_at)
        finally:
            self._serving = False
            for watcher in self._watchers.values():
                watcher.cancel()

    async def _served(self) -> Served:
        try:
            return await self._scheduler.serve()
        except NanoGridError as exc:
            self._on_failure(exc)
        except Exception as exc:  # noqa: BLE001 - the loop's top: one broken schedule must not stop all others
            self._on_failure(exc)
        return Served(self._clock.now() + _AGAIN, set())

    async def _rest(self, until: datetime | None) -> None:
        """Return at that moment, or when something has changed."""
        changed = asyncio.create_task(self._changed.wait())
        either: set[asyncio.Task[object]] = {changed}
        if until is not None:
            either.add(asyncio.create_task(self._clock.sleep_until(until)))
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in either:
                task.cancel()

    def _watch(self, awaited: set[tuple[str, str]]) -> None:
        """Wake when one of these runs has ended."""
        for place in awaited - self._watchers.keys():
            self._watchers[place] = asyncio.create_task(self._wake_after(place))

    async def _wake_after(self, place: tuple[str, str]) -> None:
        tenant, run_id = place
        try:
            await self._until_ended(run_id, tenant)
        except NanoGridError as exc:
            self._on_failure(exc)
            await self._clock.sleep(_AGAIN.total_seconds())
        finally:
            self._watchers.pop(place, None)
        self.wake()
