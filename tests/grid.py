"""A really started grid for tests: `nanogrid up` as a process of its own, driven through the front door only."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nanogrid.client import AsyncClient

START_TIMEOUT_S = 30.0


@dataclass
class StartedGrid:
    """One `nanogrid up`; `restart` and `kill` leave the data folder as it is."""

    data: Path
    options: list[str]
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    token: str = ""
    output: list[str] = field(default_factory=list)
    #: `NANOGRID_…` and other variables for the server.
    environment: dict[str, str] = field(default_factory=dict)
    #: A command that starts the server in its own way, such as `strace -f`.
    wrapper: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def client(self) -> AsyncClient:
        return AsyncClient(url=self.url, token=self.token)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def start(self) -> None:
        """Start the server and return when it listens."""
        (self.data / "address").unlink(missing_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            *self.wrapper,
            sys.executable,
            "-m",
            "nanogrid",
            "up",
            *("--port", "0"),
            *("--data", str(self.data)),
            *self.options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={k: v for k, v in os.environ.items() if not k.startswith("NANOGRID_")} | self.environment,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read_output())
        await asyncio.wait_for(self._listens(), START_TIMEOUT_S)

    async def stop(self) -> int:
        """SIGTERM, and wait for the end; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        code = await self.process.wait()
        await self._reader
        return code

    async def kill(self) -> None:
        """SIGKILL to the whole process group, as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        await self._reader

    async def _listens(self) -> None:
        address = self.data / "address"
        while not address.exists():
            if self.process is not None and self.process.returncode is not None:
                raise RuntimeError("the grid did not start:\n" + "".join(self.output))
            await asyncio.sleep(0.02)
        self.url = address.read_text().strip()
        self.token = (self.data / "token").read_text().strip()

    async def _read_output(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.output.append(line.decode(errors="replace"))


@asynccontextmanager
async def started_grid(
    *options: str, data: Path | None = None, environment: dict[str, str] | None = None, wrapper: tuple[str, ...] = ()
) -> AsyncIterator[StartedGrid]:
    """A grid on a free port with a data folder of its own; stopped (or killed) at the end."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-test-", ignore_cleanup_errors=True) as folder:
        grid = StartedGrid(
            data or Path(folder) / "data", list(options), environment=environment or {}, wrapper=list(wrapper)
        )
        grid.data.mkdir(parents=True, exist_ok=True)
        await grid.start()
        try:
            yield grid
        finally:
            if grid.process is not None and grid.process.returncode is None:
                await grid.stop()
