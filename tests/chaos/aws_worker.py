"""`nanogrid worker` as a process of its own."""

import asyncio
import os
import signal
import sys
from pathlib import Path

_STARTS_WITHIN_S = 60.0


class WorkerProcess:
    """Started, killed and started again by whoever has it."""

    def __init__(self, folder: Path, sandbox: str, slots: int, environment: dict[str, str]) -> None:
        self._options = ("--data", str(folder), "--sandbox", sandbox, "--slots", str(slots))
        self._environment = environment
        self._clock: dict[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def live_by(self, clock: dict[str, str]) -> None:
        """Have this clock, or the machine's where it is empty, from the next start on."""
        self._clock = clock

    async def start(self) -> None:
        """Return when it takes tasks."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NANOGRID_", "AWS_"))}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nanogrid", "worker", *self._options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=inherited | self._environment | self._clock,
            start_new_session=True,
        )
        async with asyncio.timeout(_STARTS_WITHIN_S):
            await self._ready()
        self._reading = asyncio.create_task(self._read_on())

    def send(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    async def end(self, number: signal.Signals) -> None:
        """Signal it and wait for its end."""
        assert self._process is not None
        if self._process.returncode is None:
            self.send(number)
        await self._process.wait()

    async def _ready(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        said = b""
        while b"takes tasks" not in said:
            line = await self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the worker did not start:\n{said.decode(errors='replace')}")
            said += line

    async def _read_on(self) -> None:
        # Unread, its output would fill the pipe and stop it.
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.read(65_536):
            pass
