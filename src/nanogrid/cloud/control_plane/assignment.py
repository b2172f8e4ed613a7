"""Which Lambda answers which route. The stack's template and the entry points are both tested against this."""

from nanogrid.api.route import Route
from nanogrid.api.routes import ROUTES
from nanogrid.gateway.console import console_routes

RESOURCE_MANAGER = "nanogrid-resource-manager"
DISPATCHER = "nanogrid-dispatcher"
#: What matches no other route goes to the resource manager, so that every refusal is a problem+json of ours.
DEFAULT_ROUTE_KEY = "$default"
_DISPATCHED = ("/fn", "/run", "/runs", "/schedules", "/dead-letters", "/metrics")


def all_routes() -> list[Route]:
    """The API and the console."""
    return [*ROUTES, *console_routes()]


def lambda_of(route: Route) -> str:
    """The name of the Lambda that answers this route."""
    below = (f"{path}/" for path in _DISPATCHED)
    dispatched = route.path in _DISPATCHED or route.path.startswith(tuple(below))
    return DISPATCHER if dispatched else RESOURCE_MANAGER


def route_keys() -> dict[str, str]:
    """Every route key of the HTTP API, with the name of the Lambda that it leads to."""
    keys = {_key(route.method, route.path): lambda_of(route) for route in ROUTES}
    # HEAD is as GET. The resource manager gets its own by default; the dispatcher's have to be named.
    heads = [route for route in ROUTES if route.method == "GET" and lambda_of(route) == DISPATCHER]
    keys |= {_key("HEAD", route.path): DISPATCHER for route in heads}
    return keys | {DEFAULT_ROUTE_KEY: RESOURCE_MANAGER}


def _key(method: str, path: str) -> str:
    return f"{method} {path}"
