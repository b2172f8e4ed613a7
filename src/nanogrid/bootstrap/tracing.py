"""Where traces are wanted, wrappers around the boxes; else the boxes as they are, and nothing on their way."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from msgspec import structs

from nanogrid.bootstrap.sandboxes import Sandboxes
from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.errors import ConfigError
from nanogrid.gateway.app import Gateway
from nanogrid.observe import Log
from nanogrid.ports import DeadLetters, TaskQueue

if TYPE_CHECKING:
    from nanogrid.telemetry import Telemetry


class Backend(Protocol):
    """What is traced of a backend, of whichever."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def task_queue(self) -> TaskQueue:
        """See the port."""

    @property
    def dead_letters(self) -> DeadLetters:
        """See the port."""


B = TypeVar("B", bound=Backend)


class Tracing:
    """What is put around the boxes."""

    def __init__(self, telemetry: "Telemetry | None") -> None:
        """None leaves everything as it is."""
        self._telemetry = telemetry

    def around(self, backend: B, sandboxes: Sandboxes) -> tuple[B, Sandboxes]:
        """The same two, with queue, dead letters and pool traced."""
        telemetry = self._telemetry
        if telemetry is None:
            return backend, sandboxes
        traced = replace(
            backend,
            task_queue=telemetry.task_queue(backend.task_queue),
            dead_letters=telemetry.dead_letters(backend.dead_letters),
        )
        return traced, structs.replace(sandboxes, pool=telemetry.pool(sandboxes.pool))

    @property
    def make_gateway(self) -> Callable[..., Gateway]:
        """A gateway, traced."""
        return Gateway if self._telemetry is None else self._telemetry.make_gateway


@asynccontextmanager
async def open_tracing(config: Config, clock: Clock, log: Log) -> AsyncIterator[Tracing]:
    """As the setting `traces` says. Raises `ConfigError` where OpenTelemetry is not installed."""
    if not config.traces:
        yield Tracing(None)
        return
    try:
        from nanogrid.telemetry import open_telemetry  # noqa: PLC0415 - an optional extra
    except ImportError as exc:
        raise ConfigError(
            "traces need OpenTelemetry, which is not installed.", hint="pip install 'nanogrid[otel]'"
        ) from exc
    async with open_telemetry(config.traces, clock, log) as telemetry:
        yield Tracing(telemetry)
