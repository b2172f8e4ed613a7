"""The one file that knows which adapter stands behind which port; both flows can be read off it."""

import asyncio
import os
import resource
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from prometheus_client import generate_latest

from nanogrid import __version__
from nanogrid.api.auth import Auth, Principal, token_digest
from nanogrid.api.services import Services
from nanogrid.archive import Limits
from nanogrid.backends.local import LocalBackend, open_local
from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import ConfigError
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.server import Server
from nanogrid.model import Record
from nanogrid.observe import Log, Metrics, make_log
from nanogrid.ports import CodeStore, Sandbox, SandboxDriver, SandboxPool, TaskQueue
from nanogrid.resource_manager import ResourceManager
from nanogrid.sandbox.bubblewrap import BubblewrapDriver
from nanogrid.sandbox.bubblewrap_probe import find_bwraps
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.code_cache import CodeCache
from nanogrid.sandbox.docker import DockerDriver
from nanogrid.sandbox.docker_network import OutboundNetwork
from nanogrid.sandbox.docker_policy import NOBODY, Options
from nanogrid.sandbox.engine import Engine, engine_socket
from nanogrid.sandbox.guard import Guard
from nanogrid.sandbox.interpreters import Offer, find_interpreters
from nanogrid.sandbox.machine import Machine, open_machine
from nanogrid.sandbox.pool import Pool
from nanogrid.sandbox.process import ProcessDriver
from nanogrid.sandbox.seccomp import program
from nanogrid.sandbox.workspace import open_workspace
from nanogrid.worker import Worker

#: How long a request may wait for its run on one machine, in seconds.
_MAX_WAIT_S = 900.0
#: What unpacked archives may occupy together, in bytes.
_CODE_CACHE_BYTES = 4 * 1024**3
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - names them to refuse them


MakeGuard = Callable[[Cell], Sandbox]


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


class _Sandboxes(Record, frozen=True, kw_only=True):
    driver: SandboxDriver
    pool: SandboxPool
    kind: str
    notes: list[str]


async def serve(config: Config, *, on_ready: Callable[[Started], None]) -> None:
    """Run a grid on this machine until SIGTERM or SIGINT, then drain.

    `on_ready` is called once, when requests are answered. Raises `ConfigError` and `SandboxUnavailable` before that.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_grid(config) as started:
        on_ready(started)
        await stop.wait()


@asynccontextmanager
async def open_grid(config: Config) -> AsyncIterator[Started]:
    """A whole grid for as long as the context lasts: gateway, middle, local backend, worker, sandboxes."""
    _check_address(config)
    _allow_descriptors()
    clock, log, metrics = Clock(), make_log(config.log_format), Metrics()
    _make_data_folder(config.data)
    token = _token(config.data / "token")
    async with (
        _backend(config, clock) as backend,
        _sandboxes(config, backend.code_store, clock, log, metrics) as sandboxes,
    ):
        worker = _worker(config, backend, sandboxes.pool, clock, log, metrics)
        stopping = asyncio.Event()
        services = _services(config, backend, sandboxes, clock, metrics, stopping)
        server = Server(_gateway(config, services, token, log, metrics), log, host=config.host, port=config.port)
        working = asyncio.create_task(worker.run())
        try:
            url = _url(config.host, await server.start())
            _publish_address(config.data / "address", url)
            yield _started(config, url, token, sandboxes)
        finally:
            # New work is refused first, then what runs may end; who still waits then is told where to come back.
            stopping.set()
            (config.data / "address").unlink(missing_ok=True)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            given_back = await worker.drain(config.grace_s)
            backend.result_bus.wake_all()
            await server.stop()
            log.info("grid.stopped", given_back=given_back)


def _started(config: Config, url: str, token: str, sandboxes: _Sandboxes) -> Started:
    return Started(
        url=url,
        token=token,
        token_file=config.data / "token",
        console_url=f"{url}/#token={token}",
        sandbox=sandboxes.kind,
        runtimes=sandboxes.driver.runtimes(),
        notes=sandboxes.notes,
        data=config.data,
    )


def _gateway(config: Config, services: Services, token: str, log: Log, metrics: Metrics) -> Gateway:
    auth = Auth({token_digest(token): Principal(name="owner")})
    hosts = _LOOPBACK | {config.host, *config.allowed_hosts}
    return Gateway(services, auth, log, metrics, allowed_hosts=frozenset(hosts))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _backend(config: Config, clock: Clock) -> AbstractAsyncContextManager[LocalBackend]:
    return open_local(config.data, clock, lease_s=config.lease_s, max_backlog=config.max_backlog)


def _worker(
    config: Config, backend: LocalBackend, pool: SandboxPool, clock: Clock, log: Log, metrics: Metrics
) -> Worker:
    return Worker(
        backend.registry,
        backend.run_store,
        backend.task_queue,
        backend.dead_letters,
        backend.result_bus,
        backend.log_feed,
        pool,
        clock,
        log,
        metrics,
        max_running=config.max_running,
    )


def _services(
    config: Config,
    backend: LocalBackend,
    sandboxes: _Sandboxes,
    clock: Clock,
    metrics: Metrics,
    stopping: asyncio.Event,
) -> Services:
    return Services(
        resource_manager=ResourceManager(
            backend.registry,
            backend.code_store,
            clock,
            runtimes=sandboxes.driver.runtimes,
            why_not=sandboxes.driver.why_not,
            limits=Limits(zip_bytes=config.max_archive_bytes),
        ),
        dispatcher=Dispatcher(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            clock,
            max_wait_s=_MAX_WAIT_S,
        ),
        log_feed=backend.log_feed,
        metrics_text=partial(_metrics_text, backend.task_queue, metrics),
        ready=lambda: "the grid is stopping" if stopping.is_set() else None,
        version=__version__,
    )


class _Ground(NamedTuple):
    """What sandboxes of one kind stand on."""

    #: Where unpacked code lies.
    code: Path
    make_driver: Callable[[MakeGuard], SandboxDriver]
    notes: list[str]


@asynccontextmanager
async def _sandboxes(
    config: Config, code_store: CodeStore, clock: Clock, log: Log, metrics: Metrics
) -> AsyncIterator[_Sandboxes]:
    """Driver, code cache and pool of the kind that the settings name."""
    kind = "bubblewrap" if config.sandbox == "auto" else config.sandbox
    ground = await asyncio.to_thread(_ground(kind), config, clock)
    cache = CodeCache(code_store, ground.code, clock, limit_bytes=_CODE_CACHE_BYTES)
    driver = ground.make_driver(lambda cell: Guard(cell, clock, cache.path))
    try:
        await driver.start()
        await cache.start()
        pool = Pool(
            driver,
            clock,
            log,
            metrics,
            budget_mb=config.memory_budget_mb or _half_the_machine_mb(),
            max_sandboxes=config.max_running,
            spares=config.spares,
            runtimes=driver.runtimes()[:1],
        )
        await pool.start()
        try:
            yield _Sandboxes(driver=driver, pool=pool, kind=kind, notes=ground.notes)
        finally:
            await pool.close()
            await cache.close()
    finally:
        await driver.close()


def _ground(kind: str) -> Callable[[Config, Clock], _Ground]:
    grounds = {"bubblewrap": _behind_bubblewrap, "docker": _in_docker, "process": _without_walls}
    if kind not in grounds:
        raise ConfigError(f"there is no sandbox {kind!r}.", hint=f"Choose auto, {', '.join(grounds)}.")
    return grounds[kind]


def _behind_bubblewrap(config: Config, clock: Clock) -> _Ground:
    machine, offer = _machine(config, clock)
    bwraps = find_bwraps(os.environ.get("PATH", os.defpath))
    make_driver = partial(BubblewrapDriver, machine, offer, bwraps=bwraps, seccomp=program())
    return _Ground(machine.workspace.code, make_driver, _unused(offer))


def _without_walls(config: Config, clock: Clock) -> _Ground:
    machine, offer = _machine(config, clock)
    return _Ground(machine.workspace.code, partial(ProcessDriver, machine, offer), _unused(offer))


def _in_docker(config: Config, _: Clock) -> _Ground:
    workspace = open_workspace(config.data, NOBODY)
    engine = Engine(engine_socket(os.environ.get("DOCKER_HOST", "")))
    options = Options(docker_runtime=config.docker_runtime, cpus=config.docker_cpus)
    make_driver = partial(DockerDriver, engine, workspace, OutboundNetwork(), options=options)
    return _Ground(workspace.code, make_driver, [])


def _machine(config: Config, clock: Clock) -> tuple[Machine, Offer]:
    machine = open_machine(config.data, clock)
    return machine, find_interpreters(machine.identities.reader, search_path=os.environ.get("PATH", os.defpath))


async def _metrics_text(task_queue: TaskQueue, metrics: Metrics) -> bytes:
    depth = await task_queue.depth()
    metrics.backlog.set(depth.visible)
    metrics.in_flight.set(depth.in_flight)
    return generate_latest(metrics.registry)


def _check_address(config: Config) -> None:
    """Nobody reaches a grid from outside by accident."""
    if config.host in _LOOPBACK or config.allow_remote:
        return
    raise ConfigError(
        f"{config.host} can be reached by other machines.",
        hint="If that is meant, say --allow-remote, and name the hosts it is asked as in NANOGRID_ALLOWED_HOSTS.",
    )


def _allow_descriptors() -> None:
    """Each sandbox needs a handful, each connection one; the usual soft limit is for interactive programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _make_data_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"the data folder {data} cannot be made: {exc.strerror}.", hint="Choose another with --data DIR."
        ) from exc


def _token(path: Path) -> str:
    """The grid's token, made on its first start; readable by nobody else."""
    if path.exists():
        return path.read_text().strip()
    token = secrets.token_urlsafe(32)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(token + "\n")
    return token


def _publish_address(path: Path, url: str) -> None:
    """Where the command line finds this grid; whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(url + "\n")
    fresh.replace(path)


def _half_the_machine_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 // 1024**2


def _unused(offer: Offer) -> list[str]:
    return [f"{one.path} is not used for functions: {one.reason}." for one in offer.rejected]
