"""Load on one address: clients that send again when they are answered; every single answer is checked."""

import array
import asyncio
import math
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httptools

from nanogrid.client import ConnectionFailed
from nanogrid.model import Record

_OK = 200
#: How much of a wrong answer is shown.
_SHOWN = 300
#: How long the last answers may take after the time is over, in seconds.
_PATIENCE_S = 30.0


class Target(Record, frozen=True, kw_only=True):
    """What is sent, where to, and how a right answer is told."""

    host: str
    port: int
    tls: bool = False
    #: One whole HTTP/1.1 request.
    request: bytes
    status: int = _OK
    #: Each of these stands in the body of a right answer.
    expect: tuple[bytes, ...] = ()

    def accepts(self, status: int, body: bytes) -> bool:
        """Whether the answer is right."""
        return status == self.status and all(part in body for part in self.expect)


class Tally:
    """The answers to one load. Latencies are in seconds."""

    def __init__(self) -> None:
        """Empty; `closed_loop` and others fill it."""
        self.latencies = array.array("d")
        self.wrong = 0
        self.first_wrong = ""
        #: How long was measured.
        self.seconds = 0.0
        self._sorted: list[float] = []

    def right(self, latency: float) -> None:
        """Count an answer that is as it should be."""
        self.latencies.append(latency)

    def refuse(self, status: int, body: bytes) -> None:
        """Count an answer that is not as it should be."""
        self.wrong += 1
        self.first_wrong = self.first_wrong or f"{status} {body[:_SHOWN].decode(errors='replace')}"

    def percentile(self, percent: float) -> float:
        """The smallest latency that so many per cent of the answers do not exceed; NaN where there are none."""
        if len(self._sorted) != len(self.latencies):
            self._sorted = sorted(self.latencies)
        if not self._sorted:
            return math.nan
        return self._sorted[max(0, math.ceil(len(self._sorted) * percent / 100) - 1)]

    @property
    def rate(self) -> float:
        """Right answers in a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(
        self,
        on_answer: Callable[["Connection", int, bytes], None],
        on_lost: Callable[["Connection", Exception | None], None],
    ) -> None:
        """`on_answer` gets status and body of each answer; `on_lost` is called once, at the end."""
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._transport: Any = None
        #: When the request under way was sent, or was due; whoever sends sets it.
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._on_lost(self, exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.close()
            self._on_lost(self, exc)

    def on_body(self, body: bytes) -> None:
        """A piece of an answer's body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """An answer is whole."""
        body = b"".join(self._body)
        self._body.clear()
        self._on_answer(self, self._parser.get_status_code(), body)

    def send(self, request: bytes) -> None:
        """Send a request; the one before has been answered."""
        self._transport.write(request)

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._transport.close()


async def connect(target: Target, connection: Connection) -> None:
    """Open the connection. Raises `ConnectionFailed`."""
    context = ssl.create_default_context() if target.tls else None
    try:
        await asyncio.get_running_loop().create_connection(lambda: connection, target.host, target.port, ssl=context)
    except OSError as exc:
        raise ConnectionFailed(f"{target.host}:{target.port} takes no connection: {exc}.", sent=False) from exc


def make_target(url: str, body: bytes, headers: Mapping[str, str], *, expect: tuple[bytes, ...] = ()) -> Target:
    """A POST of the JSON body to the URL, again and again on connections that stay open."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "127.0.0.1", parts.scheme == "https"
    lines = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = f"POST {parts.path or '/'} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    request = head.encode("ascii") + b"\r\n" + body
    return Target(host=host, port=parts.port or (443 if tls else 80), tls=tls, request=request, expect=expect)


async def closed_loop(target: Target, *, clients: int, seconds: float, warm_up_s: float = 0.0) -> Tally:
    """Send with so many clients, each its next request when the last is answered.

    What is answered during the warm-up is checked, but not timed. Raises `ConnectionFailed` where a connection cannot
    be made, or breaks on the way.
    """
    return await _ClosedLoop(target, time.perf_counter() + warm_up_s, seconds).run(clients)


class _ClosedLoop:
    def __init__(self, target: Target, start: float, seconds: float) -> None:
        self._target = target
        self._start = start
        self._end = start + seconds
        self._tally = Tally()
        self._tally.seconds = seconds
        self._open = 0
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, clients: int) -> Tally:
        connections = [Connection(self._answered, self._lost) for _ in range(clients)]
        for connection in connections:
            await connect(self._target, connection)
        self._open = clients
        for connection in connections:
            self._send(connection)
        limit = self._end - time.perf_counter() + _PATIENCE_S
        try:
            await asyncio.wait_for(self._over, limit)
        except TimeoutError as exc:
            raise ConnectionFailed(f"{self._open} requests were not answered within {limit:.0f} s.") from exc
        finally:
            for connection in connections:
                connection.close()
        return self._tally

    def _send(self, connection: Connection) -> None:
        connection.since = time.perf_counter()
        connection.send(self._target.request)

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        now = time.perf_counter()
        if not self._target.accepts(status, body):
            self._tally.refuse(status, body)
        elif self._start <= now < self._end:
            self._tally.right(now - connection.since)
        if now < self._end:
            self._send(connection)
            return
        self._open -= 1
        if not self._open and not self._over.done():
            self._over.set_result(None)

    def _lost(self, _connection: Connection, exc: Exception | None) -> None:
        if not self._over.done():
            where = f"{self._target.host}:{self._target.port}"
            self._over.set_exception(ConnectionFailed(f"{where} ended a connection under load: {exc or 'closed'}."))
