"""An HTTP server that reads nothing and always answers the same: what the event loop and the kernel take.

Run as a script: `raw_echo.py PORT_FILE`.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'


class Echo(asyncio.Protocol):
    """Answers whatever comes; a request is expected to come in one piece."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.transport.write(_ANSWER)


async def serve(port_file: Path) -> None:
    """Listen on a free port, write it to the file, and go on for ever."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
