"""Sends answers and streams over ASGI."""

import asyncio
import contextlib
import functools
import secrets
from http import HTTPStatus

from starlette.types import Receive, Send

from nanogrid.api.head import ALWAYS
from nanogrid.api.message import Answer, Stream

_ALWAYS = tuple((name.encode(), value.encode()) for name, value in ALWAYS)
#: These answers have neither type nor length.
_BODILESS = (204, 304)
_CLOSE = {"connection": "close"}
_ALWAYS_LINES = b"".join(b"%b: %b\r\n" % header for header in _ALWAYS)


async def send_answer(answer: Answer, send: Send, request_id: str, *, head_only: bool = False) -> None:
    """Send a whole answer; without its body where only the head was asked for."""
    headers = _headers(answer, request_id)
    if answer.status not in _BODILESS:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})


async def send_stream(
    answer: Stream, receive: Receive, send: Send, request_id: str, *, stopping: asyncio.Event
) -> None:
    """Send pieces until they end, the reader goes, or the server stops.

    Where the pieces fail the answer is left without its end, so that the connection is broken off.
    """
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer, request_id)})
    pump = asyncio.ensure_future(_pump(answer, send))
    ends = [pump, asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(stopping.wait())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        failures = await asyncio.gather(*ends, return_exceptions=True)
    for failure in failures:
        if isinstance(failure, Exception):
            # Without its end, so that nobody takes what came for the whole.
            raise failure
    await send({"type": "http.response.body", "body": b""})


def encoded(
    answer: Answer, request_id: str, date: bytes = b"", *, closes: bool = False, head_only: bool = False
) -> bytes:
    """A whole answer as it goes over the wire; with `closes` it says that it is the last one of its connection.

    `date` is a whole header line, or nothing.
    """
    headers = _lines({**dict(answer.headers), **(_CLOSE if closes else {})}) if closes or answer.headers else b""
    return b"%b%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b\r\n%b" % (
        _status_line(answer.status),
        date,
        answer.media_type.encode(),
        len(answer.body),
        request_id.encode(),
        _ALWAYS_LINES,
        headers,
        b"" if head_only else answer.body,
    )


@functools.cache
def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())


def _lines(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
        raise ValueError("a header of an answer has a line's end in it.")
    return lines


def new_request_id() -> str:
    """A name for a request that never got far enough to be counted."""
    return f"req_{secrets.token_hex(8)}"


def _headers(answer: Answer | Stream, request_id: str) -> list[tuple[bytes, bytes]]:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
    own = {name for name, _ in headers}
    headers.extend(header for header in _ALWAYS if header[0] not in own)
    headers.append((b"x-request-id", request_id.encode()))
    if answer.status not in _BODILESS:
        headers.append((b"content-type", answer.media_type.encode()))
    return headers


async def _pump(answer: Stream, send: Send) -> None:
    async with contextlib.aclosing(answer.pieces) as pieces:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _gone(receive: Receive) -> None:
    """Return when the reader has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
