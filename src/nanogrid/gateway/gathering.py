"""A transport that sends what is written in one turn of the event loop at once, and closes without losing it."""

import asyncio
from collections.abc import Callable
from typing import Any


class Gathering(asyncio.Transport):
    """Around a connection's transport.

    uvicorn writes an answer's head and its body one after the other; together they are one system call and one packet.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, *, unread: Callable[[], bool]
    ) -> None:
        """`unread` says whether the client may still be sending."""
        super().__init__()
        self._transport = transport
        self._unread = unread
        #: Whether nothing more will be sent, while what the client still sends is dropped.
        self.lingers = False
        self._call_soon = loop.call_soon
        self._pieces: list[bytes] = []
        self._flushed = 0
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    @property
    def left(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Bytes that the client has taken so far."""
        return self._flushed - self.left

    def write(self, data: Any) -> None:
        """Keep the bytes until the loop's next turn."""
        if not self._pieces:
            self._call_soon(self._flush)
        self._pieces.append(data)

    def write_whole(self, data: bytes) -> None:
        """Send an answer that is in one piece, behind what has been written before."""
        if self._pieces:
            self._pieces.append(data)
            self._flush()
            return
        self._flushed += len(data)
        self._transport.write(data)

    def close(self) -> None:
        """Send what is left, then close; while the client still sends, only its own side is left open.

        Where bytes lie unread, closing makes the kernel reset the connection, and the client loses its answer.
        """
        self._flush()
        if self.is_closing() or not self._unread():
            self.drop()
        else:
            self.lingers = True
            self.is_closing = lambda: True  # type: ignore[method-assign]
            self.resume_reading()
            self._transport.write_eof()

    def drop(self) -> None:
        """Close, whatever the client still sends."""
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
        if pieces and not self.is_closing():
            self._flushed += sum(map(len, pieces))
            self._transport.writelines(pieces)
