"""The backends that the ports' promises are tested on. A new backend is one more `Bench`."""

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx
import msgspec
import pytest

from aws_services import AwsServices, TurnedClock, running_services
from clocks import ManualClock
from nanogrid.backends.aws import AwsSettings, open_aws
from nanogrid.backends.local import open_local
from nanogrid.model import UploadPlace
from nanogrid.ports import (
    ArtifactStore,
    CodeStore,
    DeadLetters,
    LogFeed,
    RecordStore,
    Registry,
    ResultBus,
    RunStore,
    TaskQueue,
    Uploads,
    Vault,
)

LEASE_S = 30.0
#: Longer than any request waits at SQS.
_LONG_POLL_S = 30


class Backend(Protocol):
    """One adapter for each port."""

    artifact_store: ArtifactStore
    code_store: CodeStore
    uploads: Uploads
    registry: Registry
    run_store: RunStore
    task_queue: TaskQueue
    dead_letters: DeadLetters
    result_bus: ResultBus
    log_feed: LogFeed
    record_store: RecordStore
    vault: Vault


class Bench(ABC):
    """Opens a backend for tests, and does to it what the world does."""

    #: Why functions do not take turns here; empty where they do.
    unfair = ""
    #: Why nobody can tell where a task stands here; empty where it can be told.
    blind = ""
    #: How many a test takes to show that none is lost among many.
    many = 10_000

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
    async def upload(self, backend: Backend, place: UploadPlace | None, content: bytes, *, tenant: str) -> None:
        """Send bytes to a place for uploads, as anybody may."""

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

    async def upload(self, backend: Backend, place: UploadPlace | None, content: bytes, *, tenant: str) -> None:
        assert place is None
        await backend.uploads.keep(content, tenant=tenant)

    async def damage(self, digest: str) -> None:
        (path,) = self.folder.rglob(digest)
        path.write_bytes(b"!" + path.read_bytes()[1:])


class AwsBench(Bench):
    """An emulated AWS and a real Redis, all on the clock that the test turns.

    What is in flight when its worker dies stays so until its lease runs out, here as on AWS.
    """

    blind = "SQS tells nobody where a message is"
    unfair = "the emulated SQS hands messages out in the order they came; AWS' fair queues go by the message group"
    #: The emulated SQS looks at all its messages for each call.
    many = 1_000

    def __init__(self, services: AwsServices, settings: AwsSettings, clock: TurnedClock) -> None:
        self._services = services
        self._settings = settings
        self.clock = clock

    @asynccontextmanager
    async def open(self, *, max_backlog: int = 100_000) -> AsyncIterator[Backend]:
        settings = msgspec.structs.replace(self._settings, lease_s=LEASE_S, max_backlog=max_backlog, settle_s=0)
        async with open_aws(settings, self.clock, environ=self._services.environ) as backend:
            yield backend

    def crashed(self) -> "AwsBench":
        # Nothing is on the machine that died.
        return AwsBench(self._services, self._settings, self.clock)

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def upload(self, backend: Backend, place: UploadPlace | None, content: bytes, *, tenant: str) -> None:
        assert place is not None
        async with httpx.AsyncClient(trust_env=False) as anybody:
            await anybody.put(place.address, content=content, headers=place.headers)

    async def damage(self, digest: str) -> None:
        s3, bucket, key = self._services.client("s3"), self._settings.code_bucket, f"code/{digest}"
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key=key, Body=b"!" + content[1:])


@pytest.fixture(scope="session")
def aws_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServices]:
    with running_services(tmp_path_factory.mktemp("services")) as services:
        yield services


@pytest.fixture(params=["local", "aws"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "local":
        yield LocalBench(tmp_path / "data")
        return
    services: AwsServices = request.getfixturevalue("aws_services")
    with services.stack() as settings:
        clock = TurnedClock(services.now)
        yield AwsBench(services, settings, clock)
        # What the test left waiting in the emulator sees that its time is over.
        asyncio.run(clock.advance(_LONG_POLL_S))
