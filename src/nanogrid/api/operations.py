"""The handlers about the grid itself: health and metrics."""

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.records import Health
from nanogrid.api.services import Services
from nanogrid.errors import PlatformError

METRICS = "text/plain; version=0.0.4; charset=utf-8"


async def live(_request: Request, services: Services) -> Answer:
    """That the process answers."""
    return json_answer(Health(status="live", version=services.version))


async def ready(_request: Request, services: Services) -> Answer:
    """That the grid takes requests: 503 while it drains or a store is away."""
    reason = services.ready()
    if reason is not None:
        raise PlatformError(f"the grid is not ready: {reason}")
    return json_answer(Health(status="ready", version=services.version))


async def metrics(_request: Request, services: Services) -> Answer:
    """The numbers, in Prometheus' text format."""
    return Answer(body=await services.metrics_text(), media_type=METRICS)
