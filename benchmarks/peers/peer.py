"""What a peer is: something that is installed into a folder of its own, started, asked, and stopped."""

import asyncio
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from instrument.started import Program, start

from nanogrid.cli.load import Target, make_target
from nanogrid.model import Record

#: The same for all who take Python.
HANDLER = "def handler(event, context):\n    return {'ok': True}\n"
EVENT = b'{"ok":true}'
_RIGHT = (b'"ok"', b"true")
_INSTALL_S = 900.0


class CannotBeHad(Exception):
    """Raised when a peer can't be installed or started here; the message is the reason."""


class Peer(ABC):
    """Something else that runs functions, asked over HTTP."""

    name: str
    #: none, process, container, isolate, or namespaces with seccomp: a figure means little without it.
    isolation: str
    #: Whether it answers several requests at once.
    concurrent: bool = True

    @abstractmethod
    async def install(self, folder: Path) -> str:
        """Bring it into the folder, with the handler; returns its version. Raises `CannotBeHad`."""

    @abstractmethod
    def started(self, folder: Path, cpus: frozenset[int] | None) -> AbstractAsyncContextManager[Target]:
        """Run it on these processors for as long as the context lasts. Raises `CannotBeHad`, `StartFailed`."""


class Drained(Record, frozen=True, kw_only=True):
    """What a queue has done. Rates are jobs in a second."""

    enqueued_rate: float
    drained_rate: float
    #: Of single jobs, one after the other: from before enqueuing to the end of the job.
    p50_us: float
    #: Jobs that were not done, or done twice.
    wrong: int = 0


class Queue(ABC):
    """Something else that does work later."""

    name: str
    isolation: str
    #: none, group commit, or fsync per job.
    durability: str

    @abstractmethod
    async def install(self, folder: Path) -> str:
        """As `Peer.install`."""

    @abstractmethod
    async def drain(self, folder: Path, jobs: int, cpus: frozenset[int] | None) -> Drained:
        """Enqueue so many jobs and wait for the last; then a few one by one. Raises `CannotBeHad`, `StartFailed`."""


async def venv(folder: Path, *packages: str) -> Path:
    """A fresh environment with these packages from the package index; where its programs are. Raises `CannotBeHad`."""
    await run(folder, sys.executable, "-m", "venv", str(folder / "venv"))
    programs = folder / "venv" / "bin"
    await run(folder, str(programs / "python"), "-m", "pip", "install", "-q", *packages)
    return programs


async def python_version(folder: Path, package: str) -> str:
    """The version of an installed package."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return await run(folder, str(folder / "venv" / "bin" / "python"), "-c", code)


async def npm(folder: Path, *packages: str) -> Path:
    """These packages from the registry of Node; where their programs are. Raises `CannotBeHad`."""
    program = shutil.which("npm")
    if program is None:
        raise CannotBeHad("npm is not there")
    (folder / "package.json").write_text("{}")
    await run(folder, program, "install", "--no-audit", "--no-fund", "--silent", *packages)
    return folder / "node_modules" / ".bin"


async def run(folder: Path, *arguments: str) -> str:
    """The output of a program that ends. Raises `CannotBeHad` where it fails or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await asyncio.wait_for(process.communicate(), _INSTALL_S)
    except (OSError, TimeoutError) as exc:
        raise CannotBeHad(f"{Path(arguments[0]).name}: {type(exc).__name__} {exc}".rstrip()) from exc
    if process.returncode:
        raise CannotBeHad(f"{Path(arguments[0]).name} failed: {_reason(errors or output)}")
    return output.decode().strip()


def _reason(said: bytes) -> str:
    """The line that says why; installers say much besides."""
    lines = said.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if "error" in line.lower()), lines[-1])


@asynccontextmanager
async def running(
    arguments: Sequence[str], folder: Path, cpus: frozenset[int] | None, environ: dict[str, str] | None = None
) -> AsyncIterator[Program]:
    """A program for as long as the context lasts."""
    program = await start(arguments, folder, cpus=cpus, environ=environ)
    try:
        yield program
    finally:
        await program.stop()


def target(port: int, path: str, *, extra: dict[str, str] | None = None) -> Target:
    """The event sent to this address; right is the handler's answer."""
    return make_target(f"http://127.0.0.1:{port}{path}", EVENT, extra or {}, expect=_RIGHT)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
