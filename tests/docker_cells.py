"""Real containers for tests: a driver on a workspace of its own, with a function that does whatever it is told."""

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, structs

from nanogrid.clock import Clock
from nanogrid.model import Network
from nanogrid.ports import Invocation, Reply
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.docker import DockerDriver
from nanogrid.sandbox.docker_base import find_mirror, make_base
from nanogrid.sandbox.docker_cell import DockerCell
from nanogrid.sandbox.docker_images import KINDS, build_image, find_images
from nanogrid.sandbox.docker_network import OutboundNetwork
from nanogrid.sandbox.docker_policy import NOBODY
from nanogrid.sandbox.engine import Engine, engine_socket
from nanogrid.sandbox.guard import Guard
from nanogrid.sandbox.workspace import open_workspace
from sample_function import FUNCTION

#: Runs the Python that it is sent, and answers with what that leaves in `answer`.
OBEDIENT = {
    "main.py": """
def handler(event, context):
    space = {}
    exec(event, space)
    return space.get("answer")
"""
}
SOCKET = engine_socket(os.environ.get("DOCKER_HOST", ""))
#: Building takes a minute or two where nobody has done it yet.
BUILD_TIMEOUT_S = 600


def _answers() -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(SOCKET))
    except OSError:
        return False
    return True


#: For whole files. Where tests must not be skipped, the first of them fails for want of an engine.
needs_docker = [
    pytest.mark.skipif(not _answers() and os.environ.get("CI") != "true", reason="no Docker engine answers"),
    pytest.mark.timeout(BUILD_TIMEOUT_S),
]


async def have_images(engine: Engine) -> None:
    """Build what is missing, upon a base for which no registry is needed; one test process at a time."""
    with open(Path(tempfile.gettempdir()) / f"nanogrid-test-images-{os.geteuid()}.lock", "w") as lock:  # noqa: ASYNC230, PTH123
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, missing = await find_images(engine)
        for kind in KINDS if missing else ():
            base = await make_base(engine, kind, find_mirror(), report=lambda _: None)
            await build_image(engine, kind, base, network="none")


@asynccontextmanager
async def started_docker(
    data: Path,
    files: dict[str, str] = OBEDIENT,
    *,
    engine: Engine | None = None,
    outbound: OutboundNetwork | None = None,
    build: bool = True,
) -> AsyncIterator[DockerDriver]:
    """A driver on that data folder, whose functions all have these files; closed at the end."""
    driver, guards = make_docker(data, files, engine=engine, outbound=outbound)
    try:
        await driver._engine.agree()
        if build:
            await have_images(driver._engine)
        await driver.start()
        yield driver
    finally:
        # Guards close what cells only hand out.
        for guard in guards:
            await guard.kill()
        await driver.close()


def make_docker(
    data: Path,
    files: dict[str, str] = OBEDIENT,
    *,
    engine: Engine | None = None,
    outbound: OutboundNetwork | None = None,
) -> tuple[DockerDriver, list[Guard]]:
    """The same, not started; and the guards that it will make."""
    workspace = open_workspace(data, NOBODY)
    guards: list[Guard] = []

    code = workspace.root / "source"
    code.mkdir(exist_ok=True)
    for name, text in files.items():
        (code / name).write_text(text)
        (code / name).chmod(0o755)

    async def unpacked(_: str) -> Path:
        return code

    def guarded(cell: Cell) -> Guard:
        guards.append(Guard(cell, Clock(), unpacked))
        return guards[-1]

    return DockerDriver(engine or Engine(SOCKET), workspace, outbound or OutboundNetwork(), guarded), guards


class Inmate:
    """The test's accomplice in a container."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    @property
    def cell(self) -> DockerCell:
        assert isinstance(self.guard._cell, DockerCell)
        return self.guard._cell

    async def call(self, event: object, *, timeout_ms: int = 30_000) -> Reply:
        """Run the function once."""
        raw = Raw(json.dumps(event).encode())
        return await self.guard.invoke(Invocation(run_id="run_1", attempt=1, input=raw, timeout_ms=timeout_ms))

    async def run(self, source: str) -> Any:
        """Run the source inside; what it left in `answer`, or its exception as text."""
        reply = await self.call(source)
        if reply.error is not None:
            return f"{reply.error.type}: {reply.error.message}"
        return json.loads(bytes(reply.output))


async def new_inmate(
    driver: DockerDriver,
    *,
    runtime: str = "python",
    network: Network = Network.NONE,
    unseen: bool = False,
    **settings: Any,
) -> Inmate:
    """A container with the function in it; `unseen` as if we were in a container of our own."""
    name = next(name for name in driver.runtimes() if name.startswith(runtime))
    guard = await driver.create(name, network)
    assert isinstance(guard, Guard)
    inmate = Inmate(guard)
    if unseen:
        inmate.cell.first, inmate.cell._memory_group = 0, None
    assert await guard.load(structs.replace(FUNCTION, runtime=name, **settings)) is None
    return inmate


@asynccontextmanager
async def started_inmate(data: Path, **options: Any) -> AsyncIterator[Inmate]:
    """One container that is up."""
    async with started_docker(data) as driver:
        yield await new_inmate(driver, **options)
