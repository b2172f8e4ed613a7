"""A run whose parts are sent to the caller while it yields them. Who goes away takes the run with him."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

from nanogrid.api.services import Services
from nanogrid.errors import PlatformError, RunEnded, RunNotFound
from nanogrid.identifiers import new_run_id
from nanogrid.model import Run
from nanogrid.part_streams import PartStream, PartStreams
from nanogrid.ports import Part

#: How long an unfinished run is waited for again, in seconds.
_WAIT_S = 900.0

#: Begins the run with this id, and waits for its end.
Begin = Callable[[str], Coroutine[Any, Any, Run]]


class StreamedRun:
    """A run under way, and what it yields."""

    def __init__(self, services: Services, part_streams: PartStreams, begin: Begin, *, tenant: str) -> None:
        """The run begins now."""
        self.run_id = new_run_id()
        self._dispatcher = services.dispatcher
        self._tenant = tenant
        self._stack = ExitStack()
        self.stream: PartStream = self._stack.enter_context(part_streams.opened(self.run_id))
        self._task = asyncio.create_task(self._to_its_end(begin))
        self._task.add_done_callback(lambda _: self._stack.close())

    async def ended(self) -> Run:
        """The run when it has ended. Raises what it was refused with."""
        return await asyncio.shield(self._task)

    async def leave(self) -> None:
        """Nobody reads any more: a run that is not over is cancelled."""
        if self._task.done():
            # What it was refused with has been told, or nobody is left to be told.
            self._task.exception()
            return
        with suppress(RunEnded, RunNotFound, PlatformError):
            await self._dispatcher.cancel(self.run_id, tenant=self._tenant)
        self._stack.close()
        await asyncio.wait([self._task])
        self._task.exception()

    async def _to_its_end(self, begin: Begin) -> Run:
        run = await begin(self.run_id)
        while not run.status.ended:
            run = await self._dispatcher.get(self.run_id, tenant=self._tenant, wait_s=_WAIT_S)
        return run


def part_streams_of(services: Services) -> PartStreams | None:
    """Where parts come from; None where answers can't be sent piece by piece."""
    return services.part_streams if services.streams else None


@asynccontextmanager
async def left_on_failure(run: StreamedRun) -> AsyncIterator[None]:
    """Until somebody reads the parts, whatever goes wrong ends the run."""
    try:
        yield
    except BaseException:
        await run.leave()
        raise


async def parts_of(run: StreamedRun, first: Part | None = None) -> AsyncGenerator[Part, None]:
    """The parts as they come, the first of which may have been read; who leaves early has the run cancelled."""
    try:
        if first is not None:
            yield first
        while (part := await run.stream.next()) is not None:
            yield part
    finally:
        await run.leave()
