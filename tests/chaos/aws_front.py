"""A front door to the AWS backend: the gateway over its ports, without API Gateway and Lambda.

The emulator's Lambdas take 50 ms a call, which would make this a test of the emulator.
"""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fake_sandbox import FakeDriver
from nanogrid.backends.aws import AwsSettings, open_aws
from nanogrid.bootstrap.grid import wired
from nanogrid.bootstrap.sandboxes import Sandboxes
from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.gateway.server import Server
from nanogrid.observe import Metrics, make_log
from nanogrid.secret_store import SecretStore
from working import CallingPool

TOKEN = "chaos"


@asynccontextmanager
async def front_door(settings: AwsSettings, environ: dict[str, str], folder: Path) -> AsyncIterator[str]:
    """Its address. It runs nothing itself: its worker is never started, so all goes to the queue."""
    config, clock, log, metrics = Config(data=folder), Clock(), make_log("json", io.StringIO()), Metrics()
    driver = FakeDriver()
    sandboxes = Sandboxes(driver=driver, pool=CallingPool(_nothing), kind="none", notes=[])
    async with open_aws(settings, clock, environ=environ) as backend:
        secrets = SecretStore(backend.record_store, backend.vault, clock)
        boxes = await wired(config, backend, sandboxes, clock, log, metrics, TOKEN, asyncio.Event(), secrets)
        server = Server(boxes.gateway, log, host="127.0.0.1", port=0)
        port = await server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            backend.result_bus.wake_all()
            await server.stop()


async def _nothing(_: object) -> None:
    raise AssertionError("the front door runs nothing")
