"""A stack on an emulated AWS with a real Redis, and `nanogrid worker` as a process of its own in front of it."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import botocore.session
import msgspec
import pytest
from msgspec import Raw

from aws_services import AwsServices
from nanogrid.backends.aws import AwsBackend, AwsSettings, open_aws
from nanogrid.change import Change
from nanogrid.clock import Clock
from nanogrid.cloud.emulator import open_emulator
from nanogrid.cloud.loopback import free_port
from nanogrid.cloud.rehearsal.redis_server import open_redis
from nanogrid.dispatcher import Dispatcher
from nanogrid.model import Mode, RunStatus
from nanogrid.resource_manager import ResourceManager

SOURCE = "import time\n\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
RUNTIME = f"python3.{sys.version_info.minor}"
_SOON_S = 0.05


class Place:
    """A stack, and the boxes in front of the queue."""

    def __init__(self, backend: AwsBackend, settings: AwsSettings, environ: dict[str, str], folder: Path) -> None:
        clock = Clock()
        self.backend, self.settings, self.environ, self.folder = backend, settings, environ, folder
        self.dispatcher = Dispatcher(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            clock,
            max_wait_s=60.0,
        )
        self.resource_manager = ResourceManager(
            backend.registry, backend.code_store, backend.uploads, clock, runtimes=lambda: [RUNTIME]
        )

    async def submit(self, seconds: float) -> str:
        run = await self.dispatcher.run("sleeps", Raw(str(seconds).encode()), mode=Mode.ASYNC)
        return run.run_id

    async def until(self, run_id: str, status: RunStatus) -> None:
        while (await self.backend.run_store.get(run_id)).status is not status:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_SOON_S)

    @asynccontextmanager
    async def worker(self, name: str = "worker", **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker with process sandboxes; it is killed where the test leaves it running."""
        own = {"NANOGRID_HEALTH_PORT": "0", "NANOGRID_DATA": str(self.folder / name)}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "nanogrid", "worker", "--sandbox", "process", "--log-format", "json"),
                env={**self.environ, **own, **settings},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def event(self, name: str, process: asyncio.subprocess.Process, worker: str = "worker") -> dict[str, object]:
        """The first event of that name, as soon as the worker has logged it."""
        log = self.folder / f"{worker}.log"
        while True:
            over = process.returncode is not None
            for line in log.read_bytes().splitlines():
                if line.startswith(b"{") and (event := msgspec.json.decode(line))["event"] == name:
                    return event
            assert not over, log.read_text()
            await asyncio.sleep(_SOON_S)


def own_environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "NANOGRID_DATA": str(folder / "data")}


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("there is no redis-server")
    async with open_redis(folder, free_port()) as redis, open_emulator(folder, redis=("127.0.0.1", redis.port)) as aws:
        services = AwsServices(aws=aws, redis=redis, now=folder, session=botocore.session.Session())
        with services.stack() as settings:
            environ = {
                **aws.environment,
                **own_environment(folder),
                "NANOGRID_CODE_BUCKET": settings.code_bucket,
                "NANOGRID_FUNCTIONS_TABLE": settings.functions_table,
                "NANOGRID_RUNS_TABLE": settings.runs_table,
                "NANOGRID_QUEUE_URL": settings.queue_url,
                "NANOGRID_DEAD_LETTER_QUEUE_URL": settings.dead_letter_queue_url,
                "NANOGRID_REDIS_URL": settings.redis_url,
                "NANOGRID_VAULT_KEY": settings.vault_key,
            }
            async with open_aws(settings, Clock(), environ=environ) as backend:
                made = Place(backend, settings, environ, folder)
                await made.resource_manager.deploy("sleeps", Change(runtime=RUNTIME, source=SOURCE))
                yield made
