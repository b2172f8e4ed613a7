"""Writes requests and reads answers: records where all is well, errors of the one tree where not."""

import json
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Raw

from nanogrid import errors
from nanogrid.client.errors import ConnectionFailed
from nanogrid.errors import InvalidField, MethodNotAllowed, NanoGridError, PlatformError, TooManyRequests
from nanogrid.model import Mode

T = TypeVar("T")

#: For answers that carry no code of ours, such as those of a proxy on the way.
_BY_STATUS: dict[int, type[NanoGridError]] = {
    400: errors.MalformedRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.InvalidField,
    429: errors.TooManyRequests,
    502: errors.PlatformError,
    503: errors.PlatformError,
    504: errors.PlatformError,
}
_HINTS: dict[type[NanoGridError], str] = {
    errors.Unauthorized: "Log in with `nanogrid login URL`, or set NANOGRID_TOKEN.",
}


class _Place(msgspec.Struct):
    path: str = "$"


class _Problem(msgspec.Struct, rename="camel"):
    """An answer of RFC 9457, as far as we use it."""

    code: str = ""
    detail: str = ""
    request_id: str = ""
    errors: list[_Place] = []


def _tree(kind: type[NanoGridError]) -> dict[str, type[NanoGridError]]:
    found = {kind.code: kind}
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            found |= _tree(below)
    return found


_BY_CODE = _tree(NanoGridError)


def run_body(name: str, input_: Any, mode: Mode) -> bytes:
    """The body of `POST /run`. Raises `InvalidField` for an input that JSON cannot say."""
    return msgspec.json.encode({"functionId": name, "input": json_input(input_), "mode": mode})


def json_input(value: Any) -> Raw:
    """The value as JSON; a Raw is JSON already. Raises `InvalidField` where JSON has no such value."""
    if isinstance(value, Raw):
        return value
    try:
        return Raw(json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode())
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidField(f"the input cannot be sent as JSON: {exc}.", path="$.input") from exc


def decoded(response: httpx.Response, kind: type[T]) -> T:
    """The answer's record. Raises `ConnectionFailed` where it is not what a grid answers."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise not_a_grid(response) from exc


def not_a_grid(response: httpx.Response) -> ConnectionFailed:
    """What to raise for an answer that no grid of this version gives."""
    return ConnectionFailed(
        f"what answers at {response.request.url} does not answer like a grid.", hint="Check the address."
    )


def refusal(response: httpx.Response) -> NanoGridError:
    """The error that an answer of 400 or more means."""
    if response.is_redirect:
        return not_a_grid(response)
    problem = _problem(response)
    kind = _BY_CODE.get(problem.code) or _kind_of(response.status_code)
    detail = problem.detail or _said_by_another(response)
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR and problem.request_id:
        detail += f" (request {problem.request_id})"
    extra: dict[str, Any] = {}
    if issubclass(kind, MethodNotAllowed):
        extra["allowed"] = tuple(word.strip() for word in response.headers.get("allow", "").split(","))
    if issubclass(kind, InvalidField):
        extra["path"] = problem.errors[0].path if problem.errors else "$"
    if issubclass(kind, TooManyRequests):
        extra["retry_after_s"] = _retry_after_s(response)
    return kind(detail, hint=_HINTS.get(kind, ""), **extra)


def _said_by_another(response: httpx.Response) -> str:
    """What a status means that is not the grid's own, but that of something before it."""
    url = response.request.url
    if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        size = response.request.headers.get("content-length", "so many")
        return f"what stands before {url} takes no request of {size} bytes; on AWS that is 6 MB, input and all."
    return f"{url} answered {response.status_code} {response.reason_phrase}."


def _kind_of(status: int) -> type[NanoGridError]:
    return _BY_STATUS.get(status, PlatformError if status > httpx.codes.INTERNAL_SERVER_ERROR else NanoGridError)


def _problem(response: httpx.Response) -> _Problem:
    try:
        return msgspec.json.decode(response.content, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem()


def _retry_after_s(response: httpx.Response) -> int:
    text = response.headers.get("retry-after", "")
    return min(int(text), 3600) if text.isascii() and text.isdigit() else 1
