"""A worker's probes on loopback: whether it lives, whether it takes tasks, its numbers."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from nanogrid.cloud.loopback import Asked, Reply, Said

_METRICS = "text/plain; version=0.0.4; charset=utf-8"


def probes(why_not_ready: Callable[[], Awaitable[str | None]], metrics_text: Callable[[], Awaitable[bytes]]) -> Reply:
    """Answers for `cloud.loopback.serving`. `why_not_ready` is None where the worker takes tasks."""

    async def reply(asked: Asked) -> Said:
        if asked.method != "GET":
            return Said(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n")
        match asked.path.partition("?")[0]:
            case "/health/live":
                return Said(body=b"live\n")
            case "/health/ready":
                reason = await why_not_ready()
                ready = reason is None
                return Said(
                    HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, f"{reason or 'ready'}\n".encode()
                )
            case "/metrics":
                return Said(body=await metrics_text(), media_type=_METRICS)
        return Said(HTTPStatus.NOT_FOUND, b"there are /health/live, /health/ready and /metrics\n")

    return reply
