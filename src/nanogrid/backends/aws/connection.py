"""One HTTP/1.1 connection, on httptools: what the services of AWS need, and nothing else."""

import asyncio
from typing import NamedTuple, cast

import httptools

#: What an answer may have at most, in bytes; the largest object that is read is a code archive.
_MAX_ANSWER = 300 * 1024 * 1024


class Answer(NamedTuple):
    """What came back; the names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """Exchanges one request for one answer at a time."""

    def __init__(self) -> None:
        """Not connected yet."""
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._bodiless = False
        #: Whether another exchange may follow.
        self.reusable = False
        #: Whether anything of an answer has come since the last request.
        self.answered = False

    async def exchange(self, request: bytes, *, bodiless: bool = False) -> Answer:
        """Send a request, and return its answer; `bodiless` says that the answer to a HEAD is awaited.

        Raises `ConnectionError`. Whoever is cancelled here has to close the connection.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._headers, self._body, self._size = {}, [], 0
        self._bodiless, self.reusable, self.answered = bodiless, False, False
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        """Close at once."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self.answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(ConnectionError(f"the answer is no HTTP: {exc}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.reusable = False
        self._fail(ConnectionResetError(f"the connection was closed: {exc or 'by the other side'}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._bodiless:
            # The parser waits for the body that a HEAD's answer speaks of and never has.
            self._succeed(reusable=False)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._size += len(body)
        self._body.append(body)
        if self._size > _MAX_ANSWER:
            self._fail(ConnectionError(f"the answer has more than {_MAX_ANSWER} bytes"))

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._parser.get_status_code() >= 200:  # noqa: PLR2004 - what is below is no answer yet
            self._succeed(reusable=self._parser.should_keep_alive())

    def _succeed(self, *, reusable: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self.reusable = reusable
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, b"".join(self._body)))

    def _fail(self, error: ConnectionError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()
