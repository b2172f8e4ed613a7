"""Reads bodies, queries and headers into values, or says exactly what is wrong with them."""

import asyncio
import functools
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from nanogrid.api.message import JSON, Request
from nanogrid.errors import InvalidField, MalformedRequest, UnsupportedMediaType

S = TypeVar("S", bound=Struct)

#: Deeper JSON is refused: what runs functions reads JSON recursively.
MAX_DEPTH = 500
#: Larger bodies are read in a thread, so that nobody else waits for them.
_LARGE = 256 * 1024
_MAX_QUERY_FIELDS = 20
_MAX_MESSAGE = 300

_AT_PATH = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>\$[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>.*)`", re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


async def read_json(request: Request, kind: type[S]) -> S:
    """The body as this struct. Raises `UnsupportedMediaType`, `MalformedRequest`, `InvalidField`."""
    if request.headers.get("content-type") != JSON or "content-encoding" in request.headers:
        check_media_type(request.headers, JSON)
    if len(request.body) > _LARGE:
        return await asyncio.to_thread(parse_json, request.body, kind)
    return parse_json(request.body, kind)


def parse_json(body: bytes, kind: type[S]) -> S:
    """The JSON text as this struct. Raises `MalformedRequest`, `InvalidField`."""
    check_text(body)
    try:
        value: S = _decoder(kind).decode(body)
    except msgspec.ValidationError as exc:
        raise field_error(exc) from exc
    except msgspec.DecodeError as exc:
        raise MalformedRequest(f"the body is no JSON: {_readable(exc, body)}.") from exc
    return value


def convert(values: Mapping[str, Any], kind: type[S], *, prefix: str) -> S:
    """Texts by name as this struct; `prefix` comes before a field's name in errors. Raises `InvalidField`."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as exc:
        error = field_error(exc)
        raise InvalidField(error.detail, path=prefix + error.path.removeprefix("$.")) from exc


def read_query(request: Request, kind: type[S]) -> S:
    """The query as this struct. Raises `MalformedRequest`, `InvalidField` with a path such as `?limit`."""
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError as exc:
        raise MalformedRequest(
            "the query cannot be read.", hint=f"Use at most {_MAX_QUERY_FIELDS} fields, percent-encoded UTF-8."
        ) from exc
    values = dict(pairs)
    if len(values) != len(pairs):
        raise MalformedRequest("the query names a field twice.")
    return convert(values, kind, prefix="?")


def check_media_type(headers: Mapping[str, str], *expected: str) -> str:
    """The body's media type, one of the expected. Raises `UnsupportedMediaType`."""
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if media_type not in expected:
        raise UnsupportedMediaType(
            f"the body is {media_type[:80] or 'of no named media type'!r}.",
            hint=f"Send it as {' or '.join(expected)}, and say so in Content-Type.",
        )
    charset = parameters.lower().replace('"', "").partition("charset=")[2].strip()
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaType(f"the body is encoded as {charset[:40]!r}.", hint="Send UTF-8.")
    if headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("the body is compressed.", hint="Send it without Content-Encoding.")
    return media_type


def field_error(exc: msgspec.ValidationError) -> InvalidField:
    """What msgspec says about a value, with the field's path taken out of the sentence."""
    match = _AT_PATH.match(str(exc))
    what, path = (match["what"], match["path"] or "$") if match else (str(exc), "$")
    if field := _FIELD.search(what):
        path = f"{path}.{field['field'][:80]}"
    return InvalidField(f"{path}: {what[:1].lower()}{what[1:_MAX_MESSAGE]}.", path=path)


@functools.cache
def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind)


def check_text(body: bytes) -> None:
    """Raise `MalformedRequest` for what a decoder that skips over raw values does not look at: UTF-8 and depth."""
    if not body.isascii():
        _check_unicode(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise MalformedRequest(f"the JSON is nested too deeply: more than {MAX_DEPTH} levels.")


def _check_unicode(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        raise MalformedRequest(f"the JSON is not valid UTF-8 at byte {exc.start}.", hint="Send UTF-8.") from exc
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedRequest("the JSON begins with a byte order mark.", hint="Send UTF-8 without one.")


def _depth(body: bytes) -> int:
    """How deep brackets nest outside of strings; exact for valid JSON, and never called for most bodies."""
    outside = b"".join(body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    return max(accumulate(map(_STEPS.__getitem__, outside.translate(None, _NOT_BRACKETS))), default=0)


def _readable(exc: msgspec.DecodeError, body: bytes) -> str:
    text = str(exc).removeprefix("JSON is malformed: ")
    # The decoder says so of an escape such as \ud800 that lacks its other half, too.
    if text == "Input data was truncated":
        return f"it ends too early (byte {len(body)}), or has half of a surrogate pair"
    return text
