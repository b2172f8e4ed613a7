"""Spans that are told their parent as text, the way it travels: W3C's `traceparent`."""

from datetime import datetime

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nanogrid.clock import Clock

Attributes = dict[str, str | int | float | bool]


class Spans:
    """Begins spans; whoever began one ends it."""

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        """Times are the clock's."""
        self._tracer = tracer
        self._clock = clock
        self._propagator = TraceContextTextMapPropagator()

    def begin(
        self,
        name: str,
        parent: str,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        at: datetime | None = None,
    ) -> Span:
        """A span below `parent`, a `traceparent`; a trace of its own where that is empty. It began `at`, or now."""
        context = self._propagator.extract({"traceparent": parent} if parent else {})
        began = nanoseconds(at or self._clock.now())
        return self._tracer.start_span(name, context, kind=kind, attributes=attributes, start_time=began)

    def end(self, span: Span, *, error: str = "") -> None:
        """The span ends now, with the error where there is one."""
        if error:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(nanoseconds(self._clock.now()))

    def note(self, name: str, parent: str, attributes: Attributes, *, began: datetime) -> None:
        """A span that is over: from then until now."""
        self.end(self.begin(name, parent, attributes, at=began))


def traceparent_of(span: Span) -> str:
    """What a child of the span is told."""
    context = span.get_span_context()
    flags = int(context.trace_flags)
    return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{flags:02x}"


def nanoseconds(moment: datetime) -> int:
    """Since 1970, exact to the microsecond."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
