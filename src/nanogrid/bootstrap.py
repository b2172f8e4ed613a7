"""The one file that knows which adapter stands behind which port; both flows can be read off it."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from nanogrid import __version__
from nanogrid.api.auth import Auth
from nanogrid.api.services import Services
from nanogrid.backends.local import LocalBackend, open_local
from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import ConfigError, SandboxUnavailable
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.server import Server
from nanogrid.model import Record
from nanogrid.observe import Log, Metrics, make_log
from nanogrid.resource_manager import ResourceManager
from nanogrid.worker import Worker

#: How long a request may wait for its run on one machine, in seconds.
_MAX_WAIT_S = 900.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Started(Record, frozen=True, kw_only=True):
    """What `nanogrid up` tells the person who started it."""

    url: str
    token: str
    token_file: Path
    console_url: str
    sandbox: str
    runtimes: list[str]
    notes: list[str]
    data: Path


async def serve(config: Config, *, on_ready: Callable[[Started], None]) -> None:
    """Run a grid on this machine until SIGTERM or SIGINT, then drain.

    `on_ready` is called once, when requests are answered. Raises `ConfigError` and `SandboxUnavailable` before that.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with grid(config) as started:
        on_ready(started)
        await stop.wait()


@asynccontextmanager
async def grid(config: Config) -> AsyncIterator[Started]:
    """A whole grid for as long as the context lasts: gateway, middle, local backend, worker, sandboxes."""
    _check_address(config)
    clock, log, metrics = Clock(), make_log(config.log_format), Metrics()
    _own_folder(config.data)
    async with (
        open_local(config.data, clock, lease_s=config.lease_s, max_backlog=config.max_backlog) as backend,
        open_sandboxes(config, backend.code_store, clock, log) as sandboxes,
    ):
        resource_manager = ResourceManager(
            backend.registry, backend.code_store, clock, runtimes=sandboxes.driver.runtimes
        )
        dispatcher = Dispatcher(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            clock,
            max_wait_s=_MAX_WAIT_S,
        )
        worker = Worker(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            backend.log_feed,
            sandboxes.pool,
            clock,
            log,
            metrics,
            max_running=config.max_running,
        )
        await dispatcher.recover()
        ...
