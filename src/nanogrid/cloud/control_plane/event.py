"""API Gateway's payload format 2.0: its event as a call, and an answer as what it takes back."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from nanogrid.api.head import ALWAYS
from nanogrid.api.message import Answer

#: What a Lambda may answer, its JSON in all, less some room for the head. AWS says 6 MB and means 6,291,556 bytes.
MAX_ANSWER_BYTES = 6_291_556 - 16 * 1024
#: Below this size no text can grow past the limit by being put into JSON.
_SURELY_FITS = MAX_ANSWER_BYTES // 6
_NO_CONTENT = 204


class Call(Struct, frozen=True, kw_only=True):
    """One request, as API Gateway tells it."""

    request_id: str
    #: `GET /functions/{id}`, or `$default`.
    route_key: str
    method: str
    path: str
    params: Mapping[str, str]
    query: str
    #: By lower-case name.
    headers: Mapping[str, str]
    body: bytes
    #: The address that it came from.
    client: str = ""


def read_call(event: Mapping[str, Any]) -> Call:
    """The call that an event tells of."""
    context = event["requestContext"]
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    if cookies := event.get("cookies"):
        headers["cookie"] = "; ".join(cookies)
    return Call(
        request_id=f"req_{context['requestId']}",
        route_key=event["routeKey"],
        method=context["http"]["method"],
        path=event["rawPath"],
        params=event.get("pathParameters") or {},
        query=event.get("rawQueryString", ""),
        headers=headers,
        body=_body(event),
        client=context["http"].get("sourceIp", ""),
    )


def told(answer: Answer, request_id: str, *, head_only: bool = False) -> dict[str, Any] | None:
    """The answer as API Gateway takes it; None where it is too large for a Lambda."""
    head = _head(answer, request_id)
    body = "" if head_only else _text(answer.body)
    if body is not None:
        return {**head, "body": body, "isBase64Encoded": False}
    encoded = base64.b64encode(answer.body).decode()
    if len(encoded) > MAX_ANSWER_BYTES:
        return None
    return {**head, "body": encoded, "isBase64Encoded": True}


def _head(answer: Answer, request_id: str) -> dict[str, Any]:
    """Status and headers; of these only cookies may come several times."""
    headers = dict((*ALWAYS, *answer.headers, ("x-request-id", request_id)))
    cookies = [value for name, value in answer.headers if name == "set-cookie"]
    headers.pop("set-cookie", None)
    if answer.status != _NO_CONTENT:
        headers["content-type"] = answer.media_type
    head: dict[str, Any] = {"statusCode": answer.status, "headers": headers}
    return head | {"cookies": cookies} if cookies else head


def _body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    # A lone half of a surrogate pair is refused where the body is read, not here.
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(errors="surrogatepass")


def _text(body: bytes) -> str | None:
    """The body as text, where it is text and fits as such: each quotation mark in it counts twice."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if len(body) > _SURELY_FITS and len(json.dumps(text)) > MAX_ANSWER_BYTES:
        return None
    return text
