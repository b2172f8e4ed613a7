"""A span for each request that changes or runs something."""

from functools import partial
from typing import Any

from msgspec import structs
from opentelemetry.trace import Span, SpanKind

from nanogrid.api.auth import Principal
from nanogrid.api.errors import status_of
from nanogrid.api.message import Answer, Stream
from nanogrid.errors import NanoGridError
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.head import Head
from nanogrid.telemetry.spans import Attributes, Spans, traceparent_of

#: First of the statuses that are our fault.
_OURS = 500


class TracedGateway(Gateway):
    """Whoever handles a request finds the request's own span as its `traceparent`.

    Looks (GET) make no span: a console that polls would fill any store with them.
    """

    def __init__(self, *args: Any, spans: Spans, **kwargs: Any) -> None:
        """The rest is as for `Gateway`."""
        super().__init__(*args, **kwargs)
        self._spans = spans

    async def _call(self, head: Head, body: bytes, principal: Principal | None, request_id: str) -> Answer | Stream:
        call = partial(super()._call, body=body, principal=principal, request_id=request_id)
        if head.route.method == "GET":
            return await call(head)
        span = self._begun(head, request_id)
        status = _OURS
        try:
            answer = await call(structs.replace(head, headers={**head.headers, "traceparent": traceparent_of(span)}))
            status = answer.status
        except NanoGridError as exc:
            status = status_of(type(exc))
            raise
        finally:
            span.set_attribute("http.response.status_code", status)
            self._spans.end(span, error=f"status {status}" if status >= _OURS else "")
        return answer

    def _begun(self, head: Head, request_id: str) -> Span:
        route = head.route
        attributes: Attributes = {
            "http.request.method": route.method,
            "http.route": route.path,
            "nanogrid.request_id": request_id,
        }
        parent = head.headers.get("traceparent", "")
        return self._spans.begin(f"{route.method} {route.path}", parent, attributes, kind=SpanKind.SERVER)
