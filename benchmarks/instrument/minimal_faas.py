"""The least that a function platform on this stack can be: HTTP, one socket pair, one forked handler, JSON both ways.

No routes, no authentication, no logs, no limits, no isolation, no history. What NanoGrid costs is told as a multiple
of this. Run as a script: `minimal_faas.py PORT_FILE`.
"""

import asyncio
import json
import os
import socket
import sys
from collections import deque
from pathlib import Path

import uvloop

_LENGTH = 4


class Handler(asyncio.Protocol):
    """The socket pair's near end: frames out, frames back in the same order."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self.waiting: deque[asyncio.Transport] = deque()
        self.buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        self.transport = transport

    def call(self, event: bytes, client: asyncio.Transport) -> None:
        """Send the event; the client is answered when it comes back."""
        self.waiting.append(client)
        self.transport.write(len(event).to_bytes(_LENGTH) + event)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.buffer += data
        while len(self.buffer) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self.buffer[:_LENGTH])
            if len(self.buffer) < end:
                return
            answer, self.buffer = self.buffer[_LENGTH:end], self.buffer[end:]
            self.waiting.popleft().write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


class Front(asyncio.Protocol):
    """HTTP, as far as it takes to find the body."""

    def __init__(self, handler: Handler) -> None:
        """`handler` answers."""
        self.handler = handler
        self.buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self.buffer = b""
            self.handler.call(body, self.transport)


def handle(connection: socket.socket) -> None:
    """The forked side: the event is decoded, the handler called, its answer encoded."""
    stream = connection.makefile("rwb")
    while head := stream.read(_LENGTH):
        event = json.loads(stream.read(int.from_bytes(head)))
        answer = json.dumps(event).encode()
        stream.write(len(answer).to_bytes(_LENGTH) + answer)
        stream.flush()


async def serve(near: socket.socket, port_file: Path) -> None:
    """Listen on a free port, write it to the file, and go on for ever."""
    loop = asyncio.get_running_loop()
    _, handler = await loop.create_unix_connection(Handler, sock=near)
    server = await loop.create_server(lambda: Front(handler), "127.0.0.1", 0)
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    near, far = socket.socketpair()
    if os.fork() == 0:
        near.close()
        handle(far)
    else:
        far.close()
        uvloop.run(serve(near, Path(sys.argv[1])))
