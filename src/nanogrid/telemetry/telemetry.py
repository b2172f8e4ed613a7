"""Puts the wrappers around the boxes, and sends what they tell to a collector."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from nanogrid import __version__
from nanogrid.clock import Clock
from nanogrid.gateway.app import Gateway
from nanogrid.observe import Log
from nanogrid.ports import DeadLetters, SandboxPool, TaskQueue
from nanogrid.telemetry.gateway import TracedGateway
from nanogrid.telemetry.queue import Held, TracedDeadLetters, TracedQueue
from nanogrid.telemetry.sandbox import TracedPool
from nanogrid.telemetry.spans import Spans


class Telemetry(NamedTuple):
    """What makes a traced box of a plain one."""

    make_gateway: Callable[..., Gateway]
    task_queue: Callable[[TaskQueue], TaskQueue]
    dead_letters: Callable[[DeadLetters], DeadLetters]
    pool: Callable[[SandboxPool], SandboxPool]


class _Forward(logging.Handler):
    """What the exporter complains of, as events of ours."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.warning("telemetry.exporter", source=record.name, message=record.getMessage())


@asynccontextmanager
async def open_telemetry(endpoint: str, clock: Clock, log: Log) -> AsyncIterator[Telemetry]:
    """Spans go to the OTLP endpoint, in the background, until the context ends; what is left is sent then.

    A collector that is away costs its spans and nothing else. Which traces are kept is for `OTEL_TRACES_SAMPLER`.
    """
    resource = Resource.create({"service.name": "nanogrid", "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    spans = Spans(provider.get_tracer("nanogrid", __version__), clock)
    held = Held(spans)
    exporter_log, forward = logging.getLogger("opentelemetry"), _Forward(log)
    exporter_log.propagate = False
    exporter_log.addHandler(forward)
    try:
        yield Telemetry(
            make_gateway=partial(TracedGateway, spans=spans),
            task_queue=partial(TracedQueue, held=held),
            dead_letters=partial(TracedDeadLetters, held=held),
            pool=lambda pool: TracedPool(pool, spans, clock),
        )
    finally:
        held.end_all()
        await asyncio.to_thread(provider.shutdown)
        exporter_log.removeHandler(forward)
