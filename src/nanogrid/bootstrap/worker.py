"""A worker of the grid on AWS: the AWS backend, the worker, its sandboxes, and the instance that it runs on."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial

from msgspec import structs
from prometheus_client import generate_latest

from nanogrid.backends.aws import AwsBackend, AwsSettings, open_aws
from nanogrid.bootstrap.preparation import allow_descriptors, make_data_folder, stop_on_signal
from nanogrid.bootstrap.sandboxes import Sandboxes, open_sandboxes
from nanogrid.bootstrap.tracing import open_tracing
from nanogrid.clock import Clock
from nanogrid.cloud.loopback import Reply, serving
from nanogrid.cloud.worker.attendance import Attendance
from nanogrid.cloud.worker.instance import Instance
from nanogrid.cloud.worker.notify import Notifier
from nanogrid.cloud.worker.place import open_instance
from nanogrid.cloud.worker.probes import probes
from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.config import Config
from nanogrid.errors import ConfigError, PlatformError
from nanogrid.model import Record
from nanogrid.observe import Log, Metrics, make_log
from nanogrid.ports import TaskQueue
from nanogrid.sandbox.secret_pool import SecretPool
from nanogrid.secret_store import SecretStore
from nanogrid.worker import RunOutlet, Worker

#: What the queue has to answer in for the worker to be called ready, in seconds.
_PROBE_S = 5.0


class WorkerStarted(Record, frozen=True, kw_only=True):
    """What `nanogrid worker` tells the person who started it."""

    health_url: str
    sandbox: str
    runtimes: list[str]
    notes: list[str]
    queue: str
    slots: int
    on_instance: bool


async def serve_worker(
    config: Config, aws: AwsSettings, place: InstanceSettings, *, on_ready: Callable[[WorkerStarted], None]
) -> None:
    """Take tasks and run them until SIGTERM, SIGINT, a scale-in or a spot notice; then drain.

    `on_ready` is called once, when tasks are taken. Raises `ConfigError`, `SandboxUnavailable` and `StoreUnavailable`
    before that.
    """
    stop = stop_on_signal()
    allow_descriptors()
    make_data_folder(config.data)
    clock, log, metrics = Clock(), make_log(config.log_format), Metrics()
    notifier = Notifier(os.environ, log)
    async with (
        open_tracing(config, clock, log) as tracing,
        open_aws(aws, clock) as backend,
        _sandboxes(config, backend, clock, log, metrics) as sandboxes,
        open_instance(place, clock, log, environ=os.environ) as instance,
    ):
        worker = _worker(config, *tracing.around(backend, sandboxes), clock, log, metrics)
        attendance = Attendance(
            worker,
            instance,
            stop,
            log,
            grace_s=config.grace_s,
            tell=lambda departure: notifier.stopping(f"drains ({departure.reason})"),
        )
        probed = probes(partial(_why_not_ready, attendance, backend.task_queue), partial(_numbers, backend, metrics))
        besides = [backend.undertaker.run()]
        if instance is not None:
            besides.append(instance.protect_while(lambda: worker.held > 0, idle_s=place.idle_s))
        async with _served(probed, place.health_port) as port, _running(besides):
            on_ready(_started(config, aws, sandboxes, port, instance))
            log.info("worker.started", slots=config.max_running, sandbox=sandboxes.kind, health_port=port)
            notifier.ready("takes tasks")
            await attendance.run()


@asynccontextmanager
async def _sandboxes(
    config: Config, backend: AwsBackend, clock: Clock, log: Log, metrics: Metrics
) -> AsyncIterator[Sandboxes]:
    """Sandboxes that know secrets, which the resource manager changes at any time."""
    secret_store = SecretStore(backend.record_store, backend.vault, clock)
    async with open_sandboxes(config, backend.code_store, clock, log, metrics, secret_store) as sandboxes:
        yield structs.replace(sandboxes, pool=SecretPool(sandboxes.pool, secret_store))


def _worker(
    config: Config, backend: AwsBackend, sandboxes: Sandboxes, clock: Clock, log: Log, metrics: Metrics
) -> Worker:
    return Worker(
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
        outlet=RunOutlet(backend.artifact_store),
        max_running=config.max_running,
    )


def _started(
    config: Config, aws: AwsSettings, sandboxes: Sandboxes, port: int, instance: Instance | None
) -> WorkerStarted:
    return WorkerStarted(
        health_url=f"http://127.0.0.1:{port}",
        sandbox=sandboxes.kind,
        runtimes=sandboxes.driver.runtimes(),
        notes=sandboxes.notes,
        queue=aws.queue_url,
        slots=config.max_running,
        on_instance=instance is not None,
    )


async def _why_not_ready(attendance: Attendance, task_queue: TaskQueue) -> str | None:
    if attendance.leaving is not None:
        return f"it drains ({attendance.leaving.reason})"
    try:
        async with asyncio.timeout(_PROBE_S):
            await task_queue.depth()
    except TimeoutError:
        return f"the task queue did not answer in {_PROBE_S:.0f} s"
    except PlatformError as exc:
        return str(exc)
    return None


async def _numbers(backend: AwsBackend, metrics: Metrics) -> bytes:
    # Where the queue is away, the other numbers are all the more of interest.
    with suppress(PlatformError):
        depth = await backend.task_queue.depth()
        metrics.backlog.set(depth.visible)
        metrics.in_flight.set(depth.in_flight)
    return generate_latest(metrics.registry)


@asynccontextmanager
async def _served(reply: Reply, port: int) -> AsyncIterator[int]:
    try:
        async with serving(reply, port=port) as taken:
            yield taken
    except OSError as exc:
        raise ConfigError(
            f"the probes cannot listen on 127.0.0.1 port {port}: {exc.strerror or exc}.",
            hint="Choose another with NANOGRID_HEALTH_PORT, 0 for a free one.",
        ) from exc


@asynccontextmanager
async def _running(work: list[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """What goes on besides, as long as the context lasts."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
