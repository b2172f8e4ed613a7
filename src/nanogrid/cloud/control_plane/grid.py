"""Wires a Lambda: which adapter stands behind which port. Nothing happens before the first request."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from nanogrid import __version__
from nanogrid.aliases import Aliases
from nanogrid.annotations import Annotations
from nanogrid.api.services import Services
from nanogrid.backends.aws import AwsBackend, AwsSettings, open_aws
from nanogrid.backends.aws.client import AwsClient
from nanogrid.backends.aws.credentials import CredentialSource
from nanogrid.backends.aws.http_client import HttpClient
from nanogrid.clock import Clock
from nanogrid.cloud.control_plane.assignment import all_routes
from nanogrid.cloud.control_plane.face import Face, Report
from nanogrid.cloud.control_plane.owners import Owners
from nanogrid.cloud.control_plane.principals import Principals
from nanogrid.cloud.control_plane.scheduling import make_scheduler, make_schedules, tick
from nanogrid.cloud.control_plane.spill import BucketSpill
from nanogrid.cloud.control_plane.tokens import Tokens
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import ConfigError
from nanogrid.key_ring import KeyRing
from nanogrid.ports import TaskQueue
from nanogrid.quotas import Quotas
from nanogrid.resource_manager import ResourceManager
from nanogrid.scheduler import Served
from nanogrid.secret_store import SecretStore

#: API Gateway gives up after 30 s; a wait that runs out before is a 202, and nothing is lost.
MAX_WAIT_S = 25.0


class ControlPlane(NamedTuple):
    """What a Lambda answers with."""

    #: Requests.
    face: Face
    #: Attends to the schedules that are due. Raises `StoreUnavailable` where nothing of them can be read.
    tick: Callable[[], Awaitable[Served]]


@asynccontextmanager
async def open_control_plane(environ: Mapping[str, str], clock: Clock, report: Report) -> AsyncIterator[ControlPlane]:
    """The API on the stack that the environment names. Raises `ConfigError`."""
    settings = AwsSettings.from_environment(environ)
    http = HttpClient()
    client = AwsClient(http, CredentialSource(environ, http, clock), clock, region=settings.region)
    owners = Owners(client, settings, _named(environ, "NANOGRID_TOKENS_PARAMETER"))
    runtimes = _named(environ, "NANOGRID_RUNTIMES").split(",")
    try:
        async with open_aws(settings, clock, environ=environ) as backend:
            services = _services(backend, clock, runtimes)
            principals = Principals(owners, services.key_ring, services.quotas, clock)
            tokens = Tokens(principals.read, services.key_ring.has_changed, clock)
            yield ControlPlane(
                Face(all_routes(), services, tokens.principal, BucketSpill(client, settings), report),
                partial(tick, make_scheduler(backend, services.dispatcher, clock, report), services.quotas),
            )
    finally:
        http.close()


def _services(backend: AwsBackend, clock: Clock, runtimes: list[str]) -> Services:
    quotas = Quotas(backend.record_store, backend.registry, clock)
    aliases = Aliases(backend.record_store, backend.registry, clock)
    return Services(
        resource_manager=ResourceManager(
            backend.registry,
            backend.code_store,
            backend.uploads,
            clock,
            runtimes=lambda: runtimes,
            check_room=quotas.check_room,
            retire=backend.retired_code.retire,
        ),
        dispatcher=Dispatcher(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            clock,
            max_wait_s=MAX_WAIT_S,
            admit_run=quotas.admit_run,
            resolve=aliases.resolve,
            sends_again=True,
        ),
        log_feed=backend.log_feed,
        artifact_store=backend.artifact_store,
        aliases=aliases,
        annotations=Annotations(backend.record_store, clock),
        # The owners' tokens are not in the ring but beside it, see `Principals`: no token has an empty digest.
        key_ring=KeyRing(backend.record_store, clock, owner_digest=""),
        quotas=quotas,
        secret_store=SecretStore(backend.record_store, backend.vault, clock),
        schedules=make_schedules(backend, aliases, quotas, clock),
        metrics_text=lambda: _metrics_text(backend.task_queue),
        ready=lambda: None,
        version=__version__,
        clock=clock,
        streams=False,
    )


async def _metrics_text(task_queue: TaskQueue) -> bytes:
    """What a Lambda knows of the whole grid; what workers count is theirs to tell."""
    depth = await task_queue.depth()
    gauges = [
        ("nanogrid_backlog", "Tasks that wait.", depth.visible),
        ("nanogrid_in_flight", "Tasks that are leased.", depth.in_flight),
    ]
    return "".join(f"# HELP {n} {said}\n# TYPE {n} gauge\n{n} {value}\n" for n, said, value in gauges).encode()


def _named(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise ConfigError(f"{name} is not set.", hint="The stack's template sets it.")
    return value
