"""A Docker engine in a network namespace of its own, with filters, an internet of one server, and a neighbourhood."""

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from docker_cells import SOCKET
from nanogrid.sandbox.engine import Engine
from waiting import until

#: All of them one server: on the internet, in the neighbourhood, and the cloud's metadata.
INTERNET, NEIGHBOUR, METADATA = "8.8.8.8", "10.0.0.1", "169.254.169.254"
#: The engine's own machine: among the neighbours, and on the internet.
OWN_ADDRESSES = ("10.0.0.2", "8.0.0.1")
PORT = 80
TOOLS = ("dockerd", "iptables", "ip", "nsenter", "unshare")
UP_WITHIN_S = 30


def missing_tools() -> str:
    """What is not here; empty where all is."""
    return ", ".join(tool for tool in TOOLS if shutil.which(tool) is None)


@dataclass(frozen=True)
class ApartEngine:
    socket: Path
    pid: int

    def run(self, command: Sequence[str], text: str = "") -> str:
        """Run it in the engine's network; what it complains of."""
        return _run(self.pid, command, text)


def _run(pid: int, command: Sequence[str], text: str = "") -> str:
    there = ["nsenter", f"--net=/proc/{pid}/ns/net", *command]
    done = subprocess.run(there, input=text, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or f"it ended with {done.returncode}"


@asynccontextmanager
async def apart_engine(image: str) -> AsyncIterator[ApartEngine]:
    """The engine, with that image of the machine's own engine, until the context ends."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ng-", ignore_cleanup_errors=True)))
        far = await stack.enter_async_context(_process("unshare", "--net", "sleep", "infinity"))
        near = await stack.enter_async_context(_dockerd(folder))
        engine = ApartEngine(folder / "socket", near.pid)
        await _answers(engine.socket)
        _connect(engine, far.pid)
        for pid in (near.pid, far.pid):
            await stack.enter_async_context(_server(pid))
        await _copy(image, engine.socket)
        yield engine


@asynccontextmanager
async def _process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def _dockerd(folder: Path):
    return _process(
        *("unshare", "--net", "dockerd", "--bridge=none"),
        *(f"--host=unix://{folder / 'socket'}", f"--pidfile={folder / 'pid'}"),
        *(f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}"),
    )


def _server(pid: int):
    where = f"--net=/proc/{pid}/ns/net"
    return _process(
        "nsenter", where, sys.executable, "-m", "http.server", str(PORT), "--directory", "/proc/self/fdinfo"
    )


async def _answers(socket: Path) -> None:
    engine = Engine(socket)
    async with asyncio.timeout(UP_WITHIN_S):
        await until(socket.exists)
        await engine.agree()
    await engine.close()


def _connect(engine: ApartEngine, far: int) -> None:
    here = [
        f"ip link add near type veth peer name far netns {far}",
        "ip link set lo up",
        *(f"ip address add {address} dev near" for address in ("8.0.0.1/8", "10.0.0.2/24", "169.254.169.1/24")),
        "ip link set near up",
    ]
    there = [
        *(f"ip address add {address} dev far" for address in (f"{INTERNET}/8", f"{NEIGHBOUR}/24", f"{METADATA}/24")),
        "ip link set far up",
        "ip route add default via 8.0.0.1",
    ]
    for pid, commands in ((engine.pid, here), (far, there)):
        for command in commands:
            assert _run(pid, command.split()) == "", command


async def _copy(image: str, socket: Path) -> None:
    def client(path: Path) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://e", timeout=60)

    async with client(SOCKET) as ours, client(socket) as theirs:
        saved = await ours.get(f"/images/{image}/get")
        loaded = await theirs.post("/images/load", content=saved.content, headers={"Content-Type": "application/x-tar"})
        assert loaded.is_success, loaded.text
