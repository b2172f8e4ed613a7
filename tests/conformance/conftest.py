"""The backends that the ports' promises are tested on. A new backend is one more `Bench`."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import pytest

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.ports import CodeStore, DeadLetters, LogFeed, RecordStore, Registry, ResultBus, RunStore, TaskQueue

LEASE_S = 30.0


class Backend(Protocol):
    """One adapter for each port."""

    code_store: CodeStore
    registry: Registry
    run_store: RunStore
    task_queue: TaskQueue
    dead_letters: DeadLetters
    result_bus: ResultBus
    log_feed: LogFeed
    record_store: RecordStore


class Bench(ABC):
    """Opens a backend for tests, and does to it what the world does."""

    @abstractmethod
    def open(self, *, max_backlog: int = 100_000) -> AbstractAsyncContextManager[Backend]:
        """The backend; its state outlives the context, so that opening it again is a restart."""

    @abstractmethod
    def crashed(self) -> "Bench":
        """What is found after everything that is open now died at this moment."""

    @abstractmethod
    async def pass_time(self, seconds: float) -> None:
        """Let that much time go by for the backend."""

    @abstractmethod
    async def upload(self, address: str, content: bytes) -> None:
        """Send bytes to an address of the code store."""

    @abstractmethod
    async def download(self, address: str) -> bytes:
        """Read an address of the code store."""

    @abstractmethod
    async def damage(self, digest: str) -> None:
        """Flip something in what the code store holds under the digest."""


class LocalBench(Bench):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()

    @asynccontextmanager
    async def open(self, *, max_backlog: int = 100_000) -> AsyncIterator[Backend]:
        async with open_local(self.folder, self.clock, lease_s=LEASE_S, max_backlog=max_backlog) as backend:
            yield backend

    def crashed(self) -> "LocalBench":
        # A copy of the files as they are now is what a power cut leaves.
        after = self.folder.with_name(self.folder.name + "-after")
        shutil.copytree(self.folder, after)
        return LocalBench(after)

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def upload(self, address: str, content: bytes) -> None:
        _path(address).write_bytes(content)

    async def download(self, address: str) -> bytes:
        return _path(address).read_bytes()

    async def damage(self, digest: str) -> None:
        (path,) = self.folder.rglob(digest)
        path.write_bytes(b"!" + path.read_bytes()[1:])


def _path(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


@pytest.fixture(params=["local"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return {"local": LocalBench}[request.param](tmp_path / "data")
