"""The handlers about the grid itself: health and metrics."""

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.records import Health
from nanogrid.api.services import Services
from nanogrid.errors import PlatformError, ScopeMissing
from nanogrid.model import DEFAULT_TENANT

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


async def metrics(request: Request, services: Services) -> Answer:
    """The numbers, in Prometheus' text format. They count what all tenants do, so that they are the owner's."""
    if request.tenant != DEFAULT_TENANT:
        raise ScopeMissing(
            "the numbers of a whole grid are its owner's.", hint=f"It needs a key of the tenant {DEFAULT_TENANT!r}."
        )
    return Answer(body=await services.metrics_text(), media_type=METRICS)
