"""A worker over the local backend, with sandboxes that call Python functions of the test."""

import asyncio
import contextlib
import io
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Raw

from clocks import ManualClock
from nanogrid.backends.local import LocalBackend, open_local
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import SandboxBroken
from nanogrid.model import DeadLetter, Function, Lease, Mode, Run, RunError, RunStatus
from nanogrid.observe import Metrics, make_log
from nanogrid.ports import Claim, Invocation, LogSink, Outlet, Reply, Sandbox, SandboxPool, TaskQueue
from nanogrid.worker import DirectRuns, Worker
from records import some_function

Behaviour = Callable[[Invocation], Awaitable[Reply]]


class CallingSandbox(Sandbox):
    """Runs the test's function in place of a handler."""

    def __init__(self, behaviour: Behaviour, on_kill: Callable[[], None] = lambda: None) -> None:
        self._behaviour = behaviour
        self._on_kill = on_kill
        self._work: asyncio.Future[Reply] | None = None

    async def load(self, function: Function) -> RunError | None:
        return None

    async def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Reply:
        self._work = asyncio.ensure_future(self._behaviour(invocation))
        await asyncio.wait([self._work])
        if self._work.cancelled():
            raise SandboxBroken("the platform ended this sandbox while it was at work.")
        return self._work.result()

    async def kill(self) -> None:
        self._on_kill()
        if self._work is not None:
            self._work.cancel()

    @property
    def reusable(self) -> bool:
        return True

    @property
    def memory_mb(self) -> float:
        return 1.0


class CallingPool(SandboxPool):
    """Gives every function the same behaviour, and knows what is out."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.out = 0
        self.killed = 0
        #: Whether `take` finds one.
        self.warm = True
        #: What every import fails with, where a test sets it.
        self.import_error: RunError | None = None

    async def acquire(self, function: Function) -> Claim | RunError:
        return self.import_error or self._claim()

    def take(self, function: Function) -> Claim | None:
        return self._claim() if self.warm else None

    def release(self, claim: Claim) -> None:
        self.out -= 1

    def keeps(self, function_id: str) -> bool:
        return self.warm

    def census(self) -> dict[str, int]:
        return {"spare": 0, "warm": int(self.warm), "busy": self.out, "starting": 0}

    async def close(self) -> None:
        pass

    def _claim(self) -> Claim:
        self.out += 1
        return Claim(sandbox=CallingSandbox(self._behaviour, self._note_kill), cold=False)

    def _note_kill(self) -> None:
        self.killed += 1


class Workplace:
    """A backend, a dispatcher, and workers that a test starts and stops."""

    def __init__(self, backend: LocalBackend, clock: ManualClock, behaviour: Behaviour, *, direct: bool) -> None:
        self.backend, self.clock, self.metrics = backend, clock, Metrics()
        self.log = make_log("json", io.StringIO())
        self.pool = CallingPool(behaviour)
        self.direct = self._direct() if direct else None
        self.dispatcher = Dispatcher(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            clock,
            max_wait_s=60.0,
            fast_path=self.direct,
            acceptance=backend.acceptance,
        )

    def worker(self, *, max_running: int = 10, task_queue: TaskQueue | None = None) -> Worker:
        backend = self.backend
        return Worker(
            backend.registry,
            backend.run_store,
            task_queue or backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            backend.log_feed,
            self.pool,
            self.clock,
            self.log,
            self.metrics,
            max_running=max_running,
            direct=self.direct,
        )

    @asynccontextmanager
    async def at_work(self, **options: Any) -> AsyncIterator[Worker]:
        """A worker that takes tasks as long as the context lasts; what it holds at the end is dropped."""
        worker = self.worker(**options)
        task = asyncio.create_task(worker.run())
        await asyncio.sleep(0)
        try:
            yield worker
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await worker.drain(0)

    async def submit(self, value: bytes = b"1") -> Run:
        """An asynchronous run of the function `hello`."""
        return await self.dispatcher.run("hello", Raw(value), mode=Mode.ASYNC)

    async def only_run(self, status: RunStatus) -> Run:
        """The one run that there is, when it has that status."""
        while not (page := await self.backend.run_store.list_runs(status=status, limit=1)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return page.items[0]

    def _direct(self) -> DirectRuns:
        backend = self.backend
        return DirectRuns(
            backend.run_store, backend.result_bus, backend.log_feed, self.pool, self.clock, self.log, self.metrics
        )

    async def until(self, run_id: str, status: RunStatus) -> Run:
        """Turn the clock until the run has that status."""
        for _ in range(2000):
            run = await self.backend.run_store.get(run_id)
            if run.status is status:
                return run
            await self.clock.advance(1.0)
            await asyncio.sleep(0.001)
        raise AssertionError(f"the run is {run.status}, not {status}")

    async def letters(self) -> list[DeadLetter]:
        """The dead letters, as soon as there are any: a run is dead a moment before its letter is on disk."""
        while not (page := await self.dispatcher.list_dead_letters(limit=10, cursor=None)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return page.items


@asynccontextmanager
async def workplace(behaviour: Behaviour, *, direct: bool = False, **settings: object) -> AsyncIterator[Workplace]:
    """A workplace with the function `hello` deployed, on a clock that the test turns; `direct`: with the fast path."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory(prefix="nanogrid-test-") as folder:
        async with open_local(Path(folder) / "data", clock, lease_s=30.0) as backend:
            await backend.registry.create(some_function("hello", **settings))
            yield Workplace(backend, clock, behaviour, direct=direct)


async def next_lease(place: Workplace) -> Lease:
    """What a worker of the test's own would be given next."""
    (lease,) = await place.backend.task_queue.receive(limit=1, wait_s=1)
    return lease
