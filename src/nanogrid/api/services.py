"""The boxes that the routes call."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from nanogrid.aliases import Aliases
from nanogrid.annotations import Annotations
from nanogrid.clock import Clock
from nanogrid.dispatcher import Dispatcher
from nanogrid.key_ring import KeyRing
from nanogrid.part_streams import PartStreams
from nanogrid.ports import ArtifactStore, LogFeed
from nanogrid.quotas import Quotas
from nanogrid.resource_manager import ResourceManager
from nanogrid.scheduler import Schedules
from nanogrid.secret_store import SecretStore


class WorkerState(Struct, frozen=True):
    """How full the worker is that shares this process with the API."""

    held: int
    max_running: int
    #: Sandboxes that run something, and those that are being made ready.
    busy: int
    starting: int
    #: What all sandboxes together may occupy.
    memory_mb: int


def _elsewhere() -> WorkerState | None:
    """Workers are other processes."""
    return None


class Services(Struct, frozen=True):
    """Everything a handler may use."""

    resource_manager: ResourceManager
    dispatcher: Dispatcher
    log_feed: LogFeed
    artifact_store: ArtifactStore
    aliases: Aliases
    annotations: Annotations
    key_ring: KeyRing
    quotas: Quotas
    secret_store: SecretStore
    schedules: Schedules
    #: The metrics in Prometheus' text format, fresh.
    metrics_text: Callable[[], Awaitable[bytes]]
    #: None where the grid can serve; else the reason why not.
    ready: Callable[[], str | None]
    #: NanoGrid's own version.
    version: str
    clock: Clock
    #: How full the worker is; None where workers are other processes.
    worker_state: Callable[[], WorkerState | None] = _elsewhere
    #: How often a silent stream says that it is still there, in seconds.
    heartbeat_s: float = 15.0
    #: Whether answers can be sent piece by piece; behind a Lambda they can't.
    streams: bool = True
    #: What runs yield while they do; None where nobody here can read it.
    part_streams: PartStreams | None = None
