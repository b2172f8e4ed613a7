"""Real cells for tests: a driver on a workspace of its own, with a runtime that does whatever it is told."""

import asyncio
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nanogrid
from nanogrid.clock import Clock
from nanogrid.model import Function, Network
from nanogrid.sandbox.bubblewrap import BubblewrapDriver
from nanogrid.sandbox.bubblewrap_probe import find_bwraps
from nanogrid.sandbox.interpreters import find_interpreters
from nanogrid.sandbox.local_cell import LocalCell
from nanogrid.sandbox.local_driver import LocalDriver
from nanogrid.sandbox.machine import Machine, open_machine
from nanogrid.sandbox.process import ProcessDriver

#: Runs the Python that it is sent, and answers with what that leaves in `answer`.
OBEDIENT = """
import json, os, struct, sys
fd = int(sys.argv[1])

def send(value):
    body = json.dumps(value).encode()
    os.write(fd, struct.pack(">I", len(body)) + body)

def read(count):
    data = b""
    while len(data) < count:
        data += os.read(fd, count - len(data)) or os._exit(0)
    return data

space = {"fd": fd, "os": os}
send("up")
while True:
    source = read(struct.unpack(">I", read(4))[0])
    try:
        exec(source, space)
        send(space.pop("answer", None))
    except Exception as exc:
        send(f"{type(exc).__name__}: {exc}")
"""
ORDINARY_USER = 1000
PATIENCE_S = 30.0
SYSTEM_PYTHON = Path("/usr/bin/python3.11")


def write_runtimes(folder: Path, program: str = OBEDIENT) -> Path:
    """A folder of runtimes, all of them this program; the zygote that forks them is the real one."""
    shutil.copytree(Path(nanogrid.__file__).parent / "runtimes", folder, dirs_exist_ok=True)
    for name in ("python.py", "command.py"):
        (folder / name).write_text(program)
    return folder


def open_test_machine(data: Path, *, program: str = OBEDIENT, **options: Any) -> Machine:
    """A machine whose runtimes are the program."""
    return open_machine(data, Clock(), runtimes=write_runtimes(data / "given-runtimes", program), **options)


def make_driver(kind: str, machine: Machine, **options: Any) -> LocalDriver:
    """A driver that hands out bare cells instead of guarded ones; of kind "zygote" it forks them."""
    offer = find_interpreters(machine.identities.reader, search_path="")
    if kind == "process":
        return ProcessDriver(machine, offer, lambda cell: cell)
    options.setdefault("bwraps", find_bwraps(os.environ["PATH"]))
    return BubblewrapDriver(machine, offer, lambda cell: cell, fork=kind == "zygote", **options)


@asynccontextmanager
async def started_driver(
    kind: str, *, machine: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[LocalDriver]:
    """A driver in a fresh data folder, closed at the end."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-test-") as folder:
        driver = make_driver(kind, open_test_machine(Path(folder), **(machine or {})), **options)
        try:
            await driver.start()
            yield driver
        finally:
            cells = list(driver._cells)
            await driver.close()
            for cell in cells:
                cell.close_ends()


@asynccontextmanager
async def started_cell(kind: str, **options: Any) -> AsyncIterator["Inmate"]:
    """One cell that is up."""
    async with started_driver(kind, **options) as driver:
        yield await new_inmate(driver)


async def new_inmate(driver: LocalDriver) -> "Inmate":
    """Another cell of the driver, its first frame read."""
    cell = await driver.create(driver.runtimes()[0], Network.NONE)
    inmate = Inmate(cell)
    assert await inmate.receive() == "up"
    return inmate


class Inmate:
    """The test's accomplice inside a cell."""

    def __init__(self, cell: LocalCell) -> None:
        self.cell = cell

    async def run(self, source: str) -> Any:
        """Run the source inside; what it left in `answer`, or its exception as text."""
        body = source.encode()
        await asyncio.get_running_loop().sock_sendall(self.cell.control, struct.pack(">I", len(body)) + body)
        return await self.receive()

    async def tell(self, source: str) -> None:
        """Run the source inside, which will not answer."""
        body = source.encode()
        await asyncio.get_running_loop().sock_sendall(self.cell.control, struct.pack(">I", len(body)) + body)

    async def receive(self) -> Any:
        """The next answer; EOFError where the runtime is gone."""
        (length,) = struct.unpack(">I", await self._read(4))
        return json.loads(await self._read(length))

    async def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            receiving = asyncio.get_running_loop().sock_recv(self.cell.control, count - len(data))
            piece = await asyncio.wait_for(receiving, PATIENCE_S)
            if not piece:
                raise EOFError
            data += piece
        return data


def sample(memory_mb: int = 128) -> Function:
    """A function, of which a cell only looks at the memory."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return Function(
        runtime="python3.11",
        handler="main.handler",
        memory_mb=memory_mb,
        function_id="fn_1",
        name="sample",
        version=1,
        code_sha256="0" * 64,
        code_size=1,
        created_at=now,
        updated_at=now,
    )


def run_as_ordinary_user(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the system's Python with these arguments as a user without any rights."""
    become = ["setpriv", f"--reuid={ORDINARY_USER}", f"--regid={ORDINARY_USER}", "--clear-groups"]
    path = os.pathsep.join(part for part in sys.path if part and "pyenv" not in part and not part.endswith(".zip"))
    return subprocess.run(
        [*become, str(SYSTEM_PYTHON), *arguments],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
