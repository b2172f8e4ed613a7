"""A TCP proxy that can be slow, cut every connection, or fall silent: between any client and any server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_CHUNK = 65_536


class Proxy:
    """Passes bytes on to wherever `target` says at the moment; its faults hold for every connection."""

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        self.port = 0
        #: Every piece is this late, in seconds.
        self.delay_s = 0.0
        #: While it is clear nothing is passed on, and nothing is closed: both sides believe in the connection.
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.heal()
            self.cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def fall_silent(self) -> None:
        self._flowing.clear()

    def heal(self) -> None:
        self.delay_s = 0.0
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await self._flowing.wait()
            back, forth = await asyncio.open_connection(*self._target())
            ends = {writer, forth}
            self._writers |= ends
            ways = [asyncio.create_task(self._pass_on(*way)) for way in ((reader, forth), (back, writer))]
            self._tasks |= set(ways)
            await asyncio.wait(ways)
            self._tasks -= set(ways)
            self._writers -= ends
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_CHUNK):
                await asyncio.sleep(self.delay_s)
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
        writer.close()
