"""The HTTP protocol of one connection: uvicorn's, with a bound on the head and refusals in our own form."""

import asyncio
import secrets
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nanogrid.api.errors import problem_answer
from nanogrid.api.message import Answer
from nanogrid.errors import HeadersTooLarge, MalformedRequest
from nanogrid.gateway.head import MAX_ADDRESS_BYTES, MAX_HEADER_BYTES

#: What a request's head may take on the wire, before anything of it is understood.
_MAX_HEAD = 2 * (MAX_ADDRESS_BYTES + MAX_HEADER_BYTES)


class Protocol(HttpToolsProtocol):
    """One connection. The parser itself would collect a head without end."""

    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with a transport that gathers what one turn of the loop writes."""
        super().connection_made(Gathering(transport, self.loop))

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is a head that has grown too large."""
        super().data_received(data)
        if self._between_heads():
            self._head = 0
            return
        self._head += len(data)
        if self._head > _MAX_HEAD and not self.transport.is_closing():
            self._refuse(problem_answer(HeadersTooLarge(f"the head exceeds {_MAX_HEAD} bytes."), _request_id()))

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        error = MalformedRequest("this is not HTTP/1.1 as the gateway reads it.")
        self._refuse(problem_answer(error, _request_id()))

    def _between_heads(self) -> bool:
        # A scope is made when a head begins, and has a path when the head is complete.
        return self.scope is None or "path" in self.scope  # type: ignore[redundant-expr]

    def _refuse(self, answer: Answer) -> None:
        head = (
            f"HTTP/1.1 {answer.status} Refused\r\ncontent-type: {answer.media_type}\r\n"
            f"content-length: {len(answer.body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + answer.body)
        self.transport.close()


class Gathering(asyncio.Transport):
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes an answer's head and its body one after the other; together they are one system call and one packet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Everything but writing and closing is the transport's own."""
        super().__init__()
        self._transport = transport
        self._call_soon = loop.call_soon
        self._pieces: list[bytes] = []
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: Any) -> None:
        """Keep the bytes until the loop's next turn."""
        if not self._pieces:
            self._call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Send what is left, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport says."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As the transport does."""
        self._transport.set_protocol(protocol)

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.writelines(pieces)


def _request_id() -> str:
    return f"req_{secrets.token_hex(8)}"
