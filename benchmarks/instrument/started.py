"""Programs under measurement: started by us, on chosen processors, ended by us."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from instrument.machine import on_cpus
from nanogrid.cli.load import Target, make_target
from nanogrid.client import AsyncClient

_START_S = 60.0
_STOP_S = 60.0
_SUCCEEDED = b'"status":"succeeded"'


class StartFailed(Exception):
    """Raised when a program ends before it listens; the message has the end of what it said."""


@dataclass
class Program:
    """A process, and the last that it said."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def said(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace")[-2000:]

    async def stop(self) -> None:
        """Ask the whole group to end, and insist after a while. Idempotent."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_S)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End the whole group at once, as a power cut would."""
        self._signal(signal.SIGKILL)
        await self.process.wait()

    def _signal(self, number: int) -> None:
        if self.process.returncode is None:
            os.killpg(self.process.pid, number)


async def start(
    arguments: Sequence[str],
    folder: Path,
    *,
    cpus: frozenset[int] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Program:
    """Start a program in the folder, its output in a file there."""
    log = folder / "output.log"
    with on_cpus(cpus), log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=_environ() if environ is None else environ,
            start_new_session=True,
        )
    return Program(process, log)


async def until_listens(program: Program, host: str, port: int) -> None:
    """Return when the port takes connections. Raises `StartFailed`."""
    for _ in range(int(_START_S / 0.05)):
        _still_runs(program)
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise StartFailed(f"nothing listens on {host}:{port} after {_START_S:.0f} s:\n{program.said()}")


async def until_exists(program: Program, path: Path) -> None:
    """Return when the file is there. Raises `StartFailed`."""
    for _ in range(int(_START_S / 0.01)):
        if path.exists():  # noqa: ASYNC240 - quicker than any thread
            return
        _still_runs(program)
        await asyncio.sleep(0.01)
    raise StartFailed(f"{path.name} has not been written after {_START_S:.0f} s:\n{program.said()}")


def _still_runs(program: Program) -> None:
    if program.process.returncode is not None:
        raise StartFailed(f"ended with {program.process.returncode} before it was ready:\n{program.said()}")


def _environ() -> dict[str, str]:
    """Ours, without settings that would make it another grid."""
    return {name: text for name, text in os.environ.items() if not name.startswith("NANOGRID_")}


@dataclass
class Grid:
    """A started `nanogrid up` with a data folder of its own; all that it does by default is on."""

    data: Path
    options: Sequence[str] = ()
    cpus: frozenset[int] | None = None
    #: Where another copy of the package is, to be measured instead of the installed one.
    source: Path | None = None
    program: Program = field(init=False)
    url: str = ""
    token: str = ""

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.program.pid

    @property
    def client(self) -> AsyncClient:
        """The SDK, for everything that is not timed."""
        return AsyncClient(self.url, self.token, environ={})

    def target(
        self,
        function: str,
        value: bytes = b"{}",
        *,
        expect: bytes = b"",
        also: tuple[bytes, ...] = (),
        mode: str = "sync",
    ) -> Target:
        """Runs of a function. Right is one that succeeded and has all that is expected in it; or, async, a promise."""
        body = b'{"functionId":"%s","mode":"%s","input":%s}' % (function.encode(), mode.encode(), value)
        expected = (_SUCCEEDED, expect, *also) if mode == "sync" else (b'"runId":"',)
        target = make_target(f"{self.url}/run", body, {"Authorization": f"Bearer {self.token}"}, expect=expected)
        return target if mode == "sync" else _with_status(target, 202)

    async def start(self) -> None:
        """Start it, or start it again on the same data."""
        address = self.data / "address"
        address.unlink(missing_ok=True)
        environ = _environ() | ({"PYTHONPATH": str(self.source)} if self.source else {})
        options = ["--port", "0", "--data", str(self.data), *self.options]
        arguments = [sys.executable, "-m", "nanogrid", "up", *options]
        self.program = await start(arguments, self.data, cpus=self.cpus, environ=environ)
        await until_exists(self.program, address)
        self.url = address.read_text().strip()
        self.token = (self.data / "token").read_text().strip()


def _with_status(target: Target, status: int) -> Target:
    return Target(host=target.host, port=target.port, request=target.request, status=status, expect=target.expect)


@asynccontextmanager
async def started_grid(
    *options: str, cpus: frozenset[int] | None = None, source: Path | None = None
) -> AsyncIterator[Grid]:
    """A fresh grid for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-bench-", ignore_cleanup_errors=True) as folder:
        grid = Grid(Path(folder), options, cpus, source)
        await grid.start()
        try:
            yield grid
        finally:
            await grid.program.stop()


@asynccontextmanager
async def started_script(
    name: str, *arguments: str, cpus: frozenset[int] | None = None
) -> AsyncIterator[tuple[int, int]]:
    """A server of `instrument/`, for as long as the context lasts: its process id and its port."""
    script = Path(__file__).parent / name
    with tempfile.TemporaryDirectory(prefix="nanogrid-bench-") as folder:
        port_file = Path(folder) / "port"
        program = await start([sys.executable, str(script), str(port_file), *arguments], Path(folder), cpus=cpus)
        try:
            await until_exists(program, port_file)
            yield program.pid, int(port_file.read_text())
        finally:
            await program.stop()
