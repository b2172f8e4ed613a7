"""A gateway over real boxes and ports in memory, driven in process; a worker that calls Python functions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from msgspec import Raw

from fakes import (
    FakeCodeStore,
    FakeDeadLetters,
    FakeLogFeed,
    FakeRegistry,
    FakeResultBus,
    FakeRunStore,
    FakeTaskQueue,
)
from nanogrid.api.auth import Auth, Principal, token_digest
from nanogrid.api.services import Services
from nanogrid.clock import Clock
from nanogrid.dispatcher import Dispatcher
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.intake import Intake
from nanogrid.model import ErrorKind, Lease, Logs, Outcome, RunError, RunStatus, Usage
from nanogrid.observe import Metrics, make_log
from nanogrid.resource_manager import ResourceManager

TOKEN = "correct-horse-battery-staple"
SOURCE = "def handler(event, context):\n    return event\n"
HELLO = {"name": "hello", "runtime": "python3.11", "source": SOURCE}

Call = Callable[[Any], Any]


class Grid:
    """All boxes of one grid; `calls` says what the worker does for a function's name."""

    def __init__(
        self, *, max_backlog: int = 1000, heartbeat_s: float = 15.0, intake: Intake | None = None, stream: Any = None
    ) -> None:
        self.registry, self.code_store, self.run_store = FakeRegistry(), FakeCodeStore(), FakeRunStore()
        self.task_queue, self.dead_letters = FakeTaskQueue(max_backlog=max_backlog), FakeDeadLetters()
        self.result_bus, self.log_feed, self.clock = FakeResultBus(), FakeLogFeed(), Clock()
        self.not_ready: str | None = None
        self.calls: dict[str, Call] = {}
        self.metrics = Metrics()
        self.services = Services(
            ResourceManager(self.registry, self.code_store, self.clock, runtimes=lambda: ["python3.11"]),
            Dispatcher(
                self.registry,
                self.run_store,
                self.task_queue,
                self.dead_letters,
                self.result_bus,
                self.clock,
                max_wait_s=30.0,
            ),
            self.log_feed,
            metrics_text=lambda: b"nanogrid_runs_total 1.0\n",
            ready=lambda: self.not_ready,
            version="0.0.0",
            heartbeat_s=heartbeat_s,
        )
        self.log = make_log("json", stream) if stream else make_log("json")
        self.gateway = Gateway(
            self.services,
            Auth({token_digest(TOKEN): Principal(name="admin")}),
            self.log,
            self.metrics,
            allowed_hosts=frozenset({"grid.test", "127.0.0.1", "localhost", "::1"}),
            intake=intake,
        )

    async def work(self) -> None:
        """Take task after task until cancelled."""
        while True:
            for lease in await self.task_queue.receive(limit=1, wait_s=1.0):
                await self._work(lease)

    async def _work(self, lease: Lease) -> None:
        await self.run_store.start(lease.task.run_id, lease.attempt)
        function = await self.registry.get(lease.task.function_id)
        outcome = _outcome(self.calls.get(function.name, lambda event: event), lease.task.input)
        await self.result_bus.publish(await self.run_store.finish(lease.task.run_id, lease.attempt, outcome))


def _outcome(call: Call, input_: Raw) -> Outcome:
    usage, logs = Usage(duration_ms=12.0, peak_memory_mb=200.0), Logs(text="one\ntwo\n")
    try:
        output = Raw(msgspec.json.encode(call(msgspec.json.decode(input_))))
    except ValueError as exc:
        error = RunError(kind=ErrorKind.EXCEPTION, type="ValueError", message=str(exc))
        return Outcome(status=RunStatus.FAILED, error=error, usage=usage, logs=logs)
    return Outcome(status=RunStatus.SUCCEEDED, output=output, usage=usage, logs=logs)


@asynccontextmanager
async def serving(*, working: bool = True, **options: Any) -> AsyncIterator[tuple[Grid, httpx.AsyncClient]]:
    """A grid with the function `hello`, and a client with the right token."""
    grid = Grid(**options)
    worker = asyncio.create_task(grid.work()) if working else None
    transport = httpx.ASGITransport(grid.gateway, raise_app_exceptions=True)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://grid.test", headers=headers) as client:
        await client.post("/functions", json=HELLO)
        yield grid, client
    if worker is not None:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
