"""A request as a function sees it: the event of API Gateway's HTTP API, payload format 2.0."""

import base64
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec
from msgspec import Raw

from nanogrid.api.message import Request
from nanogrid.errors import TooLarge
from nanogrid.model import MAX_INPUT_BYTES

_ROUTE_KEY = "$default"
#: What may stand in a path as it is (RFC 3986).
_PLAIN = "/:@!$&'()*+,;=~"

_encoder = msgspec.json.Encoder()


def call_event(request: Request) -> Raw:
    """The event as JSON. Raises `TooLarge`: what is no text grows by a third on its way into JSON."""
    event = Raw(_encoder.encode(_event(request)))
    size = len(memoryview(event))
    if size > MAX_INPUT_BYTES:
        raise TooLarge(
            f"the request has {size} bytes as a function's input; {MAX_INPUT_BYTES} are allowed.",
            hint="Send less, or a place where the rest can be fetched.",
        )
    return event


def _event(request: Request) -> dict[str, Any]:
    path = _path_below(request.path)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": _ROUTE_KEY,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": _headers(request),
        "requestContext": {
            "domainName": request.headers.get("host", ""),
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": request.headers.get("user-agent", ""),
            },
            "requestId": request.id,
            "routeKey": _ROUTE_KEY,
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    # As on AWS: what is empty is not there.
    if cookies := _cookies(request):
        event["cookies"] = cookies
    if parameters := _parameters(request.query):
        event["queryStringParameters"] = parameters
    return event | _body(request)


def _path_below(path: str) -> str:
    """What is behind `/fn/{name}`, percent-encoded, so that an application's own routes match; at least a slash."""
    return "/" + quote("/".join(path.split("/")[3:]), safe=_PLAIN)


def _headers(request: Request) -> dict[str, str]:
    """All but cookies, and the token of this grid: no function is to have the key of who calls it."""
    hidden = {"cookie"} if request.principal is None else {"cookie", "authorization"}
    headers = {name: value for name, value in request.headers.items() if name not in hidden}
    headers.setdefault("x-forwarded-proto", "http")
    # Where the application is mounted, for the addresses that it makes of itself.
    headers["x-forwarded-prefix"] = f"/fn/{request.params['name']}"
    return headers


def _cookies(request: Request) -> list[str]:
    return [cookie.strip() for cookie in request.headers.get("cookie", "").split(";") if cookie.strip()]


def _parameters(query: str) -> dict[str, str]:
    """The query by name, decoded; values of one name are joined with commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _body(request: Request) -> dict[str, Any]:
    """Text as it is, everything else in base64."""
    if not request.body:
        return {}
    try:
        if "content-encoding" not in request.headers:
            return {"body": request.body.decode()}
    except UnicodeDecodeError:
        pass
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}
