"""From a worker's first task to its last: it takes tasks until it must leave, and leaves without cutting off a run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

from nanogrid.cloud.worker.departure import Departure, Reason
from nanogrid.cloud.worker.instance import Instance
from nanogrid.observe import Log


class Drainable(Protocol):
    """What there has to be of a worker."""

    async def run(self) -> None:
        """Take and run tasks until cancelled."""

    async def drain(self, grace_s: float) -> int:
        """Let what runs end within the grace, give the rest back; how many were given back. May be cancelled."""


class Attendance:
    """One worker's time at work. `leaving` says why it ends, as soon as it does."""

    def __init__(
        self,
        worker: Drainable,
        instance: Instance | None,
        stop: asyncio.Event,
        log: Log,
        *,
        grace_s: float,
        tell: Callable[[Departure], None] = lambda _: None,
    ) -> None:
        """`stop` ends it, with `grace_s` for what runs; so does the instance, if there is one.

        `tell` is called once, when it begins to leave.
        """
        self._worker = worker
        self._instance = instance
        self._stop = stop
        self._log = log
        self._grace_s = grace_s
        self._tell = tell
        self.leaving: Departure | None = None

    async def run(self) -> int:
        """Work until it is time to leave, then drain; how many tasks were given back. Raises what the worker raises."""
        departure = await self._work()
        self.leaving = departure
        self._tell(departure)
        self._log.info("worker.leaving", reason=departure.reason.value, grace_s=departure.grace_s)
        async with self._held(departure):
            given_back = await self._drain(departure)
        if self._instance is not None and self.leaving.reason is not Reason.SIGNAL:
            await self._instance.let_go()
        self._log.info("worker.drained", reason=self.leaving.reason.value, given_back=given_back)
        return given_back

    async def _work(self) -> Departure:
        working = asyncio.create_task(self._worker.run())
        leaving = asyncio.create_task(self._stopped())
        reasons = [leaving] if self._instance is None else [leaving, asyncio.create_task(self._instance.departure())]
        try:
            await _first(working, *reasons)
            if working.done():
                # It never ends by itself: this raises what ended it.
                await working
            return _soonest(reasons)
        finally:
            await _ended(working, *reasons)

    async def _drain(self, departure: Departure) -> int:
        """Drain, and hurry when there is less time than there was."""
        while True:
            drain = asyncio.create_task(self._worker.drain(departure.grace_s))
            reasons = [asyncio.create_task(each) for each in self._more_pressing(departure)]
            try:
                await _first(drain, *reasons)
                if drain.done():
                    return await drain
                departure = _soonest(reasons)
                self._log.info("worker.hurries", reason=departure.reason.value, grace_s=departure.grace_s)
                self.leaving = departure
            finally:
                await _ended(drain, *reasons)

    def _more_pressing(self, departure: Departure) -> list[Coroutine[Any, Any, Departure]]:
        """What may cut short a drain for this reason: nothing but a scale-in has time."""
        if departure.reason is not Reason.SCALE_IN or self._instance is None:
            return []
        return [self._stopped(), self._instance.interruption()]

    async def _stopped(self) -> Departure:
        await self._stop.wait()
        return Departure(Reason.SIGNAL, self._grace_s)

    @asynccontextmanager
    async def _held(self, departure: Departure) -> AsyncIterator[None]:
        """Where a hook holds the instance, it is asked to go on doing so."""
        if self._instance is None or departure.reason is not Reason.SCALE_IN:
            yield
            return
        holding = asyncio.create_task(self._instance.hold())
        try:
            yield
        finally:
            await _ended(holding)


async def _first(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _soonest(reasons: list[asyncio.Task[Departure]]) -> Departure:
    return min((task.result() for task in reasons if task.done()), key=lambda departure: departure.grace_s)


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
