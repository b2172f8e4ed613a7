"""The grid itself: every box of a real one except server and sandboxes, on a clock that stands still."""

import asyncio
import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from nanogrid.archive import unpack
from nanogrid.backends.local import open_local
from nanogrid.bootstrap.grid import Boxes, wired
from nanogrid.bootstrap.sandboxes import Sandboxes
from nanogrid.client import AsyncClient, Client
from nanogrid.client.asynchronous import Handle
from nanogrid.client.blocking import BlockingHandle, LoopThread
from nanogrid.client.errors import WaitTimedOut
from nanogrid.client.records import FunctionInfo, RunInfo
from nanogrid.config import Config
from nanogrid.errors import NanoGridError
from nanogrid.model import MAX_TIMEOUT_MS, Function
from nanogrid.observe import Metrics, make_log
from nanogrid.secret_store import SecretStore
from nanogrid.testing.clock import ManualClock, let_act
from nanogrid.testing.handlers import Handler, imported
from nanogrid.testing.output import Output
from nanogrid.testing.sandbox import InProcessDriver, InProcessPool, Surroundings
from nanogrid.testing.sleeping import Sleeping
from nanogrid.worker import Worker

_HOST = "grid.test"
_TOKEN = "token-of-the-grid-in-memory"  # noqa: S105 - it opens nothing but itself
_MAX_RUNNING = 100
#: How long the clock waits for handlers that compute, in seconds; then it is turned all the same.
_PATIENCE_S = 2.0
_LOOK_S = 0.001
#: No run lasts longer, by the clock.
_LONGEST_S = 2 * MAX_TIMEOUT_MS / 1000
#: By the clock, which may be turned by hours: leases are extended at a third of it.
_LEASE_S = 3_600.0
#: The queue wakes who waits for it. By the clock, which has to stop wherever somebody's wait is over.
_RECEIVE_WAIT_S = 3_600.0
#: Stands in for the code of a function that a test has given as a callable.
_STAND_IN = "def handler(event, context):\n    raise NotImplementedError\n"


class MemoryHandle(BlockingHandle):
    """A run that was submitted; waiting for it turns the clock."""

    def __init__(self, grid: "MemoryGrid", thread: LoopThread, handle: Handle) -> None:
        """`MemoryGrid.submit` and `handle` make one."""
        super().__init__(thread, handle)
        self._grid = grid

    def result(self, timeout: float | None = None) -> Any:
        """The output. The clock is turned as far as that takes, `timeout` seconds at most; see `Handle.result`."""
        return self._grid.wait(self.run_id, timeout=timeout).result()


class MemoryGrid(Client):
    """A grid for tests. It has every method of `Client`; handlers run in this process, on threads of their own.

    `time.sleep` in a handler sleeps by the grid's clock. Whoever waits for a run turns the clock: retries and time-outs
    come at once. What a sandbox would prevent is not prevented, and memory is not limited.
    """

    def __init__(self) -> None:
        """Opens the grid; `close`, or `with`, closes it."""
        self._thread = LoopThread()
        self._stack = AsyncExitStack()
        self._handlers: dict[str, Handler] = {}
        self._inner = self._thread.wait(self._stack.enter_async_context(self._opened()))

    def close(self) -> None:
        """End the grid. Idempotent."""
        if not self._thread.closed:
            self._thread.wait(self._inner.close())
            self._thread.wait(self._stack.aclose())
            self._thread.close()

    def add(self, handler: Handler, *, name: str | None = None, **settings: Any) -> FunctionInfo:
        """Make this callable a function, under its own name or `name`; the settings are those of `deploy`."""
        name = name or handler.__name__
        self._handlers[name] = handler
        return self.deploy(_STAND_IN, name=name, runtime="python3", **settings)

    def advance(self, seconds: float) -> None:
        """Turn the clock; what is due within that time has happened when this returns."""
        self._thread.wait(self.clock.advance(seconds))

    def invoke(self, name: str, input: Any = None, *, timeout: float | None = None) -> RunInfo:  # noqa: A002 - the API's
        """As `Client.invoke`; `timeout` is by the clock."""
        return self._thread.wait(self._until_done(self._inner.invoke(name, input), timeout))

    def run(self, name: str, input: Any = None, *, timeout: float | None = None) -> Any:  # noqa: A002 - the API's word
        """As `Client.run`; `timeout` is by the clock."""
        return self.invoke(name, input, timeout=timeout).result()

    def wait(self, run_id: str, *, timeout: float | None = None) -> RunInfo:
        """As `Client.wait`; `timeout` is by the clock."""
        return self._thread.wait(self._until_done(self._inner.wait(run_id), timeout, run_id))

    def map(
        self,
        name: str,
        inputs: Iterable[Any],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Iterator[Any]:
        """As `Client.map`, one run after the other."""
        for item in inputs:
            try:
                yield self.run(name, item)
            except NanoGridError as exc:
                if not return_exceptions:
                    raise
                yield exc

    def submit(self, name: str, input: Any = None, *, idempotency_key: str | None = None) -> MemoryHandle:  # noqa: A002
        """As `Client.submit`."""
        submitted = self._inner.submit(name, input, idempotency_key=idempotency_key)
        return MemoryHandle(self, self._thread, self._thread.wait(submitted))

    def handle(self, run_id: str) -> MemoryHandle:
        """As `Client.handle`."""
        return MemoryHandle(self, self._thread, self._inner.handle(run_id))

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AsyncClient]:
        self.clock = ManualClock(self._settle)
        self._sleeping = Sleeping(self.clock, asyncio.get_running_loop())
        environment = dict(os.environ)
        with _folder() as folder, self._sleeping.in_force():
            config = Config(data=Path(folder) / "data", host=_HOST, max_running=_MAX_RUNNING)
            self._code = Path(folder) / "unpacked"
            self._code.mkdir()
            try:
                async with open_local(config.data, self.clock, lease_s=_LEASE_S) as self._backend:
                    self._boxes = await self._wired(config)
                    async with self._at_work():
                        transport = httpx.ASGITransport(self._boxes.gateway)
                        yield AsyncClient(f"http://{_HOST}", _TOKEN, environ={}, transport=transport)
            finally:
                _restore(environment)

    async def _wired(self, config: Config) -> Boxes:
        surroundings = Surroundings(self.clock, self._sleeping, Output())
        secret_store = SecretStore(self._backend.record_store, self._backend.vault, self.clock)
        driver = InProcessDriver(surroundings, self._find_handler)
        self._pool = InProcessPool(driver)
        sandboxes = Sandboxes(driver=driver, pool=self._pool, kind="in process", notes=[])
        log = make_log("json", io.StringIO())
        return await wired(
            config,
            self._backend,
            sandboxes,
            self.clock,
            log,
            Metrics(),
            _TOKEN,
            asyncio.Event(),
            secret_store,
            make_worker=partial(Worker, receive_wait_s=_RECEIVE_WAIT_S),
        )

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        working = [asyncio.create_task(work) for work in (self._boxes.worker.run(), self._boxes.scheduler.run())]
        try:
            yield
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await self._boxes.worker.drain(0)

    async def _find_handler(self, function: Function) -> Handler:
        """The callable that the test has given, else what the archive has."""
        if function.name in self._handlers:
            return self._handlers[function.name]
        folder = self._code / function.code_sha256
        if not folder.exists():
            await asyncio.to_thread(unpack, await self._backend.code_store.get(function.code_sha256), folder)
        return imported(folder, function.handler)

    async def _settle(self) -> None:
        """Return when nothing happens any more unless the clock is turned, or a handler takes too long.

        The scheduler is waited for however long it takes: a due time that passes it by would be another test's result.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        await let_act()
        while not await self._quiet() and (loop.time() < until or self._boxes.scheduler.busy):
            await asyncio.sleep(_LOOK_S)
            await let_act()

    async def _quiet(self) -> bool:
        """Whether all that is under way sleeps."""
        asleep = self._sleeping.count
        under_way = (await self._backend.task_queue.depth()).in_flight + self._boxes.direct.count
        return self._pool.busy == asleep and under_way <= asleep and not self._boxes.scheduler.busy

    async def _until_done(self, asked: Any, timeout: float | None, run_id: str = "") -> RunInfo:  # noqa: ASYNC109
        """What is asked for, the clock turned from one sleeper to the next until it is there."""
        task: asyncio.Task[RunInfo] = asyncio.ensure_future(asked)
        left = _LONGEST_S if timeout is None else timeout
        await self._settle()
        while not task.done() and self.clock.next_in <= left:
            step = self.clock.next_in
            await self.clock.advance(step)
            left -= step
        if not task.done():
            task.cancel()
            raise WaitTimedOut(run_id)
        return await task


def _folder() -> "tempfile.TemporaryDirectory[str]":
    """In memory, where there is such a place: every promise is kept with fsync, which a disk makes dear."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder below it, which only this user reads
    return tempfile.TemporaryDirectory(prefix="nanogrid-memory-", dir=memory if os.access(memory, os.W_OK) else None)


def _restore(environment: Mapping[str, str]) -> None:
    """Take back what functions' settings have put into this process's environment."""
    for name in [name for name in os.environ if name not in environment]:
        del os.environ[name]
    os.environ.update(environment)
