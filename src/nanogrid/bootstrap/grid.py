"""The grid on one machine: gateway, middle, local backend and worker in one process; both flows can be read off it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec import structs
from prometheus_client import generate_latest

from nanogrid import __version__
from nanogrid.aliases import Aliases
from nanogrid.annotations import Annotations
from nanogrid.api.auth import Auth
from nanogrid.api.services import Services, WorkerState
from nanogrid.archive import Limits
from nanogrid.backends.local import LocalBackend, open_local
from nanogrid.bootstrap.preparation import allow_descriptors, make_data_folder, rarely_collect, stop_on_signal
from nanogrid.bootstrap.sandboxes import Sandboxes, memory_budget_mb, open_sandboxes
from nanogrid.bootstrap.scheduling import wire_scheduling
from nanogrid.bootstrap.tracing import open_tracing
from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import ConfigError
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.server import Server
from nanogrid.key_ring import KeyRing, token_digest
from nanogrid.model import Record
from nanogrid.observe import Log, Metrics, make_log
from nanogrid.part_streams import PartStreams
from nanogrid.ports import Outlet, SandboxPool, TaskQueue
from nanogrid.quotas import Quotas
from nanogrid.resource_manager import ResourceManager
from nanogrid.scheduler import SchedulerLoop, Schedules
from nanogrid.secret_store import SecretStore
from nanogrid.worker import DirectRuns, RunOutlet, Worker, warm, warm_successor

#: How long a request may wait for its run on one machine, in seconds.
_MAX_WAIT_S = 900.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})


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


class _Owners(NamedTuple):
    key_ring: KeyRing
    quotas: Quotas
    secret_store: SecretStore


class Boxes(NamedTuple):
    """What is driven from outside."""

    gateway: Gateway
    worker: Worker
    direct: DirectRuns
    scheduler: SchedulerLoop


async def serve(config: Config, *, on_ready: Callable[[Started], None]) -> None:
    """Run a grid on this machine until SIGTERM or SIGINT, then drain.

    `on_ready` is called once, when requests are answered. Raises `ConfigError` and `SandboxUnavailable` before that.
    """
    stop = stop_on_signal()
    async with open_grid(config) as started:
        rarely_collect()
        on_ready(started)
        await stop.wait()


@asynccontextmanager
async def open_grid(config: Config) -> AsyncIterator[Started]:
    """A whole grid for as long as the context lasts: gateway, middle, local backend, worker, sandboxes."""
    _check_address(config)
    allow_descriptors()
    clock, log, metrics = Clock(), make_log(config.log_format), Metrics()
    make_data_folder(config.data)
    token = _token(config.data / "token")
    async with (
        _backend(config, clock) as backend,
        _guarded_sandboxes(config, backend, clock, log, metrics) as (sandboxes, secret_store),
        open_tracing(config, clock, log) as tracing,
    ):
        stopping = asyncio.Event()
        traced, make_gateway = tracing.around(backend, sandboxes), tracing.make_gateway
        gateway, worker, _, scheduler = await wired(
            config, *traced, clock, log, metrics, token, stopping, secret_store, make_gateway
        )
        server = Server(gateway, log, host=config.host, port=config.port)
        working = [asyncio.create_task(work) for work in (worker.run(), scheduler.run())]
        try:
            url = _url(config.host, await server.start())
            _publish_address(config.data / "address", url)
            log.info("grid.started", url=url, sandbox=sandboxes.kind, version=__version__)
            yield _started(config, url, token, sandboxes)
        finally:
            # New work is refused first, then what runs may end; who still waits then is told where to come back.
            stopping.set()
            (config.data / "address").unlink(missing_ok=True)
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            given_back = await worker.drain(config.grace_s)
            backend.result_bus.wake_all()
            await server.stop()
            log.info("grid.stopped", given_back=given_back)


async def wired(
    config: Config,
    backend: LocalBackend,
    sandboxes: Sandboxes,
    clock: Clock,
    log: Log,
    metrics: Metrics,
    token: str,
    stopping: asyncio.Event,
    secret_store: SecretStore,
    make_gateway: Callable[..., Gateway] = Gateway,
    make_worker: Callable[..., Worker] = Worker,
) -> Boxes:
    """The boxes, each with what it needs of the others; nothing runs yet."""
    part_streams = PartStreams()
    outlet = RunOutlet(backend.artifact_store, part_streams)
    direct = _direct(backend, sandboxes.pool, outlet, clock, log, metrics)
    worker = _worker(config, backend, sandboxes.pool, outlet, direct, clock, log, metrics, make_worker)
    owners = await _owners(backend, clock, token, secret_store)
    aliases = Aliases(backend.record_store, backend.registry, clock, warm=partial(warm, sandboxes.pool, clock))
    dispatcher = _dispatcher(config, backend, direct, owners, aliases, clock)
    schedules, scheduler = wire_scheduling(backend, dispatcher, aliases, owners.quotas, clock, log, metrics)
    state = partial(_worker_state, config, worker, sandboxes.pool)
    services = _services(
        config, backend, sandboxes, direct, owners, clock, metrics, stopping, state, aliases, dispatcher, schedules
    )
    services = structs.replace(services, part_streams=part_streams)
    return Boxes(_gateway(config, services, log, metrics, make_gateway), worker, direct, scheduler)


def _started(config: Config, url: str, token: str, sandboxes: Sandboxes) -> Started:
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


@asynccontextmanager
async def _guarded_sandboxes(
    config: Config, backend: LocalBackend, clock: Clock, log: Log, metrics: Metrics
) -> AsyncIterator[tuple[Sandboxes, SecretStore]]:
    """Sandboxes, and the secrets that they are given."""
    secret_store = SecretStore(backend.record_store, backend.vault, clock)
    async with open_sandboxes(config, backend.code_store, clock, log, metrics, secret_store) as sandboxes:
        yield sandboxes, secret_store


async def _owners(backend: LocalBackend, clock: Clock, token: str, secret_store: SecretStore) -> _Owners:
    """Who may do what, as the record store has it."""
    owners = _Owners(
        key_ring=KeyRing(backend.record_store, clock, owner_digest=token_digest(token), vault=backend.vault),
        quotas=Quotas(backend.record_store, backend.registry, clock),
        secret_store=secret_store,
    )
    await owners.key_ring.refresh()
    await owners.quotas.refresh()
    return owners


def _gateway(
    config: Config, services: Services, log: Log, metrics: Metrics, make_gateway: Callable[..., Gateway]
) -> Gateway:
    auth = Auth(services.key_ring.principals)
    hosts = _LOOPBACK | {config.host, *config.allowed_hosts}
    return make_gateway(services, auth, log, metrics, allowed_hosts=frozenset(hosts))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _backend(config: Config, clock: Clock) -> AbstractAsyncContextManager[LocalBackend]:
    return open_local(config.data, clock, lease_s=config.lease_s, max_backlog=config.max_backlog)


def _direct(
    backend: LocalBackend, pool: SandboxPool, outlet: Outlet, clock: Clock, log: Log, metrics: Metrics
) -> DirectRuns:
    return DirectRuns(
        backend.run_store,
        backend.result_bus,
        backend.log_feed,
        pool,
        clock,
        log,
        metrics,
        outlet=outlet,
    )


def _worker(
    config: Config,
    backend: LocalBackend,
    pool: SandboxPool,
    outlet: Outlet,
    direct: DirectRuns,
    clock: Clock,
    log: Log,
    metrics: Metrics,
    make_worker: Callable[..., Worker],
) -> Worker:
    return make_worker(
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
        outlet=outlet,
        direct=direct,
    )


def _dispatcher(
    config: Config, backend: LocalBackend, direct: DirectRuns, owners: _Owners, aliases: Aliases, clock: Clock
) -> Dispatcher:
    return Dispatcher(
        backend.registry,
        backend.run_store,
        backend.task_queue,
        backend.dead_letters,
        backend.result_bus,
        clock,
        max_wait_s=_MAX_WAIT_S,
        fast_path=direct,
        # In two steps where they are traced, because each is a span of its own.
        acceptance=None if config.traces else backend.acceptance,
        admit_run=owners.quotas.admit_run,
        resolve=aliases.resolve,
    )


def _services(
    config: Config,
    backend: LocalBackend,
    sandboxes: Sandboxes,
    direct: DirectRuns,
    owners: _Owners,
    clock: Clock,
    metrics: Metrics,
    stopping: asyncio.Event,
    worker_state: Callable[[], WorkerState],
    aliases: Aliases,
    dispatcher: Dispatcher,
    schedules: Schedules,
) -> Services:
    return Services(
        resource_manager=ResourceManager(
            backend.registry,
            backend.code_store,
            backend.uploads,
            clock,
            runtimes=sandboxes.driver.runtimes,
            why_not=sandboxes.driver.why_not,
            limits=Limits(zip_bytes=config.max_archive_bytes),
            check_room=owners.quotas.check_room,
            warm=partial(warm, sandboxes.pool, clock),
            on_stored=sandboxes.expect_code,
            is_called=sandboxes.pool.keeps,
            warm_successor=partial(warm_successor, sandboxes.pool, clock),
        ),
        dispatcher=dispatcher,
        log_feed=backend.log_feed,
        artifact_store=backend.artifact_store,
        aliases=aliases,
        annotations=Annotations(backend.record_store, clock),
        key_ring=owners.key_ring,
        quotas=owners.quotas,
        secret_store=owners.secret_store,
        schedules=schedules,
        metrics_text=partial(_metrics_text, backend.task_queue, direct, metrics),
        ready=lambda: "the grid is stopping" if stopping.is_set() else None,
        version=__version__,
        clock=clock,
        worker_state=worker_state,
    )


def _worker_state(config: Config, worker: Worker, pool: SandboxPool) -> WorkerState:
    census = pool.census()
    return WorkerState(
        held=worker.held,
        max_running=config.max_running,
        busy=census["busy"],
        starting=census["starting"],
        memory_mb=memory_budget_mb(config),
    )


async def _metrics_text(task_queue: TaskQueue, direct: DirectRuns, metrics: Metrics) -> bytes:
    depth = await task_queue.depth()
    metrics.backlog.set(depth.visible)
    metrics.in_flight.set(depth.in_flight + direct.count)
    return generate_latest(metrics.registry)


def _check_address(config: Config) -> None:
    """Nobody reaches a grid from outside by accident."""
    if config.host in _LOOPBACK or config.allow_remote:
        return
    raise ConfigError(
        f"{config.host} can be reached by other machines.",
        hint="If that is meant, say --allow-remote, and name the hosts it is asked as in NANOGRID_ALLOWED_HOSTS.",
    )


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
