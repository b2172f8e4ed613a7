"""The boxes that the routes call."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from nanogrid.aliases import Aliases
from nanogrid.dispatcher import Dispatcher
from nanogrid.key_ring import KeyRing
from nanogrid.ports import LogFeed
from nanogrid.quotas import Quotas
from nanogrid.resource_manager import ResourceManager
from nanogrid.secret_store import SecretStore


class Services(Struct, frozen=True):
    """Everything a handler may use."""

    resource_manager: ResourceManager
    dispatcher: Dispatcher
    log_feed: LogFeed
    aliases: Aliases
    key_ring: KeyRing
    quotas: Quotas
    secret_store: SecretStore
    #: The metrics in Prometheus' text format, fresh.
    metrics_text: Callable[[], Awaitable[bytes]]
    #: None where the grid can serve; else the reason why not.
    ready: Callable[[], str | None]
    #: NanoGrid's own version.
    version: str
    #: How often a silent stream says that it is still there, in seconds.
    heartbeat_s: float = 15.0
    #: Whether answers can be sent piece by piece; behind a Lambda they can't.
    streams: bool = True
