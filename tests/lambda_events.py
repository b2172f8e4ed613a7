"""Requests as API Gateway's HTTP API tells them to a Lambda, payload format 2.0."""

import base64
import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from nanogrid.api.route import ANY, Router
from nanogrid.cloud.control_plane.assignment import DEFAULT_ROUTE_KEY, all_routes, route_keys
from nanogrid.errors import NanoGridError

HOST = "grid.test"
#: Bodies of other media types come as base64.
_TEXTUAL = ("text/", "application/json", "application/xml", "application/javascript")
_numbers = itertools.count(1)


def event(
    method: str, path: str, *, query: str = "", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> dict[str, Any]:
    """The event for this request, by the routes of the API."""
    headers = {"host": HOST, "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https", **(headers or {})}
    key, params = _route(method, path)
    textual = headers.get("content-type", "").startswith(_TEXTUAL)
    told: dict[str, Any] = {
        "version": "2.0",
        "routeKey": key,
        # Decoded, although it is called raw; what stands for a name in it, too.
        "rawPath": unquote(path),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "apiId": "a1b2c3",
            "domainName": HOST,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": f"Request{next(_numbers)}=",
            "routeKey": key,
            "stage": "$default",
        },
        "isBase64Encoded": body is not None and not textual,
    }
    if params:
        told["pathParameters"] = {name: unquote(value) for name, value in params.items()}
    if body is not None:
        told["body"] = body.decode() if textual else base64.b64encode(body).decode()
    return told


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The most specific route key that the API has, as API Gateway chooses it."""
    try:
        route, params = Router(all_routes()).find(method, path)
    except NanoGridError:
        return DEFAULT_ROUTE_KEY, {}
    key = f"{ANY if route.method == ANY else method} {route.path}"
    return (key, dict(params)) if key in route_keys() else (DEFAULT_ROUTE_KEY, {})
