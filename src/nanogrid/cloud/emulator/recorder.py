"""Writes down what the emulated AWS is asked, and when: a line of JSON for each request."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from nanogrid.model import Record

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Call(Record, frozen=True, kw_only=True):
    """One request. Times are in seconds since 1970, as all processes of a machine see them."""

    began_at: float
    ended_at: float
    method: str
    path: str
    #: Service and operation, such as `DynamoDB_20120810.GetItem`; empty where the path says it.
    target: str
    status: int


class Recorder:
    """An ASGI application around another."""

    def __init__(self, application: Application, path: Path) -> None:
        """Lines go to the end of this file, each with one write."""
        self._application = application
        self._file = path.open("ab", buffering=0)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began_at = time.time()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._application(scope, receive, noted)
        target = next((value.decode() for name, value in scope["headers"] if name == b"x-amz-target"), "")
        call = Call(
            began_at=began_at,
            ended_at=time.time(),
            method=scope["method"],
            path=scope["path"],
            target=target,
            status=status,
        )
        self._file.write(msgspec.json.encode(call) + b"\n")


def read_calls(path: Path) -> list[Call]:
    """What has been written so far, in the order in which it ended."""
    decoder = msgspec.json.Decoder(Call)
    return decoder.decode_lines(path.read_bytes())
