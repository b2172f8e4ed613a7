"""A gateway over real boxes and the local backend, driven in process; a worker that calls Python functions."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import httpx
import msgspec
from msgspec import Raw

from nanogrid.aliases import Aliases
from nanogrid.annotations import Annotations
from nanogrid.api.auth import Auth
from nanogrid.api.services import Services
from nanogrid.backends.local import LocalBackend, open_local
from nanogrid.clock import Clock
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import VersionBroken
from nanogrid.gateway.app import Gateway
from nanogrid.key_ring import KeyRing, token_digest
from nanogrid.model import ErrorKind, Function, Lease, Logs, Outcome, RunError, RunStatus, Task, Usage
from nanogrid.observe import Metrics, make_log
from nanogrid.ports import LogFeed
from nanogrid.quotas import Quotas
from nanogrid.resource_manager import ResourceManager
from nanogrid.scheduler import Schedules, Shelf
from nanogrid.secret_store import SecretStore

TOKEN = "correct-horse-battery-staple"
SOURCE = "def handler(event, context):\n    return event\n"
HELLO = {"name": "hello", "runtime": "python3.11", "source": SOURCE, "http": "token"}
HOSTS = frozenset({"grid.test", "127.0.0.1", "localhost", "::1"})

Call = Callable[[Any], Any]


async def _some_metrics() -> bytes:
    return b"nanogrid_runs_total 1.0\n"


class Grid:
    """All boxes of one grid but the sandboxes; `calls` says what the worker does for a function's name."""

    def __init__(
        self,
        backend: LocalBackend,
        folder: Path,
        *,
        heartbeat_s: float = 15.0,
        stream: TextIO | None = None,
        log_feed: LogFeed | None = None,
        metrics_text: Callable[[], Awaitable[bytes]] = _some_metrics,
    ) -> None:
        self.backend, self.folder, self.clock = backend, folder, Clock()
        self.log_feed = log_feed or backend.log_feed
        self.not_ready: str | None = None
        self.calls: dict[str, Call] = {}
        self.warmed: list[int] = []
        self.stored: list[str] = []
        #: Whether functions have traffic, and what the loading of their next versions waits for.
        self.is_called = False
        self.may_load = asyncio.Event()
        self.may_load.set()
        self.waiting_to_load = 0
        self.metrics = Metrics()
        self.log = make_log("json", stream) if stream else make_log("json")
        self.key_ring = KeyRing(backend.record_store, self.clock, owner_digest=token_digest(TOKEN), vault=backend.vault)
        self.aliases = Aliases(backend.record_store, backend.registry, self.clock, warm=self._warm)
        self.quotas = Quotas(backend.record_store, backend.registry, self.clock)
        self.schedules = Schedules(
            Shelf(backend.record_store, self.clock),
            backend.run_store,
            self.clock,
            resolve=self.aliases.resolve,
            check_room=self.quotas.check_schedule,
        )
        services = Services(
            ResourceManager(
                backend.registry,
                backend.code_store,
                backend.uploads,
                self.clock,
                runtimes=lambda: ["python3.11"],
                check_room=self.quotas.check_room,
                warm=self._warm,
                on_stored=self.stored.append,
                is_called=lambda _: self.is_called,
                warm_successor=self._warm_successor,
            ),
            self._dispatcher(),
            self.log_feed,
            backend.artifact_store,
            self.aliases,
            Annotations(backend.record_store, self.clock),
            self.key_ring,
            self.quotas,
            SecretStore(backend.record_store, backend.vault, self.clock),
            self.schedules,
            metrics_text=metrics_text,
            ready=lambda: self.not_ready,
            version="0.0.0",
            clock=self.clock,
            heartbeat_s=heartbeat_s,
        )
        self.gateway = Gateway(services, Auth(self.key_ring.principals), self.log, self.metrics, allowed_hosts=HOSTS)

    def archives(self) -> int:
        """How many archives the code store holds."""
        return sum(path.is_file() for path in (self.folder / "code").rglob("*"))

    async def take(self) -> Task:
        """The next task; whoever waits for its run listens by now."""
        (lease,) = await self.backend.task_queue.receive(limit=1, wait_s=20)
        return lease.task

    async def finish(self, run_id: str, outcome: Outcome) -> None:
        """End a run as a worker would."""
        await self.backend.result_bus.publish(await self.backend.run_store.finish(run_id, 1, outcome))

    async def work(self) -> None:
        """Take task after task until cancelled."""
        while True:
            for lease in await self.backend.task_queue.receive(limit=1, wait_s=20):
                await self._work(lease)

    async def _work(self, lease: Lease) -> None:
        await self.backend.run_store.start(lease.task.run_id, lease.attempt)
        function = await self.backend.registry.get(lease.task.function_id, tenant=lease.task.tenant)
        await self.finish(lease.task.run_id, _outcome(self.calls.get(function.name, _echo), lease.task.input))
        await self.backend.task_queue.ack(lease)

    async def _warm(self, function: Function) -> float:
        """Note what was made warm; what is `broken` cannot be."""
        if function.environment.get("BROKEN"):
            raise VersionBroken(f"version {function.version} cannot be loaded.")
        self.warmed.append(function.version)
        return 1.5

    async def _warm_successor(self, function: Function) -> None:
        self.waiting_to_load += 1
        await self.may_load.wait()
        self.waiting_to_load -= 1
        await self._warm(function)

    def _dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self.backend.registry,
            self.backend.run_store,
            self.backend.task_queue,
            self.backend.dead_letters,
            self.backend.result_bus,
            self.clock,
            max_wait_s=30.0,
            acceptance=self.backend.acceptance,
            admit_run=self.quotas.admit_run,
            resolve=self.aliases.resolve,
        )


def _echo(event: Any) -> Any:
    return event


def _outcome(call: Call, input_: Raw) -> Outcome:
    usage, logs = Usage(duration_ms=12.0, peak_memory_mb=200.0), Logs(text="one\ntwo\n")
    try:
        output = Raw(msgspec.json.encode(call(msgspec.json.decode(input_))))
    except ValueError as exc:
        error = RunError(kind=ErrorKind.EXCEPTION, type="ValueError", message=str(exc))
        return Outcome(status=RunStatus.FAILED, error=error, usage=usage, logs=logs)
    return Outcome(status=RunStatus.SUCCEEDED, output=output, usage=usage, logs=logs)


@asynccontextmanager
async def opened(*, max_backlog: int = 1000, **options: Any) -> AsyncIterator[Grid]:
    """A grid on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-test-") as folder:
        async with open_local(Path(folder), Clock(), max_backlog=max_backlog) as backend:
            yield Grid(backend, Path(folder), **options)


@asynccontextmanager
async def working(grid: Grid) -> AsyncIterator[None]:
    """A worker for as long as the context lasts."""
    task = asyncio.create_task(grid.work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def serving(*, idle: bool = False, **options: Any) -> AsyncIterator[tuple[Grid, httpx.AsyncClient]]:
    """A grid with the function `hello`, and a client with the right token; with `idle` nobody works."""
    async with opened(**options) as grid:
        transport = httpx.ASGITransport(grid.gateway)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        worker = contextlib.nullcontext() if idle else working(grid)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://grid.test", headers=headers) as client,
            worker,
        ):
            await client.post("/functions", json=HELLO)
            yield grid, client
