"""The result bus in memory: it carries the run itself, so that whoever waits need not read the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nanogrid.backends.followers import Followers
from nanogrid.model import Run, RunStatus
from nanogrid.ports import Listener, ResultBus

#: Cancellations that a worker may be behind with; a missed one shows at its next heartbeat.
_CANCELLATIONS_KEPT = 10_000


class LocalResultBus(ResultBus):
    """Listeners by run."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: dict[str, list[_LocalListener]] = {}
        self._cancellations = Followers[str](_CANCELLATIONS_KEPT)

    @asynccontextmanager
    async def listen(self, run_id: str) -> AsyncIterator[Listener]:
        """See the port."""
        listener = _LocalListener()
        listeners = self._listeners.setdefault(run_id, [])
        listeners.append(listener)
        try:
            yield listener
        finally:
            listeners.remove(listener)
            if not listeners:
                del self._listeners[run_id]

    async def publish(self, run: Run) -> None:
        """See the port."""
        for listener in self._listeners.get(run.run_id, ()):
            listener.tell(run)
        if run.status is RunStatus.CANCELLED:
            self._cancellations.tell(run.run_id)

    def wake_all(self) -> None:
        """See the port."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.wake()

    @asynccontextmanager
    async def cancellations(self) -> AsyncIterator[AsyncIterator[str]]:
        """See the port."""
        with self._cancellations.follow() as run_ids:
            yield run_ids


class _LocalListener(Listener):
    def __init__(self) -> None:
        self._run: Run | None = None
        self._news: asyncio.Future[None] | None = None

    async def wait(self, timeout_s: float) -> Run | None:
        if self._run is None and timeout_s > 0:
            # A bare timer, because every synchronous run passes here.
            loop = asyncio.get_running_loop()
            if self._news is None or self._news.done():
                self._news = loop.create_future()
            timer = loop.call_later(timeout_s, self.wake)
            try:
                await self._news
            finally:
                timer.cancel()
        return self._run

    def tell(self, run: Run) -> None:
        self._run = run
        self.wake()

    def wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
