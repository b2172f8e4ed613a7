"""A real Redis, which can be made to vanish."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nanogrid.errors import PlatformError

_HOST = "127.0.0.1"
_PATIENCE_S = 30.0
_STEP_S = 0.02


class RedisServer:
    """One Redis on a port of its own. It keeps nothing on disk: after a restart it knows nothing any more."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        """See `open_redis`."""
        self._program = program
        self._log = folder / "redis.log"
        self.port = port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://{_HOST}:{self.port}"

    async def start(self) -> None:
        """Return when it answers. Raises `PlatformError` where it does not."""
        options = ("--port", str(self.port), "--bind", _HOST, "--save", "", "--appendonly", "no")
        with self._log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                self._program, *options, cwd=self._log.parent, stdout=output, stderr=output
            )
        self._process = process
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not await self._answers():
                    if process.returncode is not None:
                        raise PlatformError(f"Redis ended with {process.returncode}.", hint=f"Look at {self._log}.")
                    await asyncio.sleep(_STEP_S)
        except TimeoutError as exc:
            raise PlatformError("Redis does not answer.", hint=f"Look at {self._log}.") from exc

    async def kill(self) -> None:
        """End it at once: connections break, and all that it knew is gone. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def monitor(self) -> AsyncGenerator[bytes, None]:
        """Every command as it is served, a line each, with the server's own time; until it ends."""
        reader, writer = await asyncio.open_connection(_HOST, self.port)
        try:
            writer.write(b"MONITOR\r\n")
            while line := await reader.readline():
                yield line
        finally:
            writer.close()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(_HOST, self.port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer.startswith(b"+PONG")


@asynccontextmanager
async def open_redis(folder: Path, port: int) -> AsyncIterator[RedisServer]:
    """A Redis until the context ends; its log lies in the folder. Raises `PlatformError` where there is none."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise PlatformError("there is no redis-server on this machine.", hint="apt-get install redis-server")
    server = RedisServer(program, folder, port)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
