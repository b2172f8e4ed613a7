"""One started grid for the module's tests, and unmodified clients of AWS' own that ask it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aws_clients import Keys, Live, client

from grid import started_grid


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A started grid, driven from a thread of its own: AWS' clients block."""
    started, done = threading.Event(), threading.Event()
    found: list[Live | BaseException] = []

    async def serve() -> None:
        async with started_grid() as grid:
            async with grid.client as owner:
                key = await owner.create_key("aws", scopes=["admin"], aws=True)
            found.append(Live(grid.url, grid.token, Keys(key.access_key_id or "", key.secret_access_key or "")))
            started.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as exc:  # noqa: BLE001 - told to the test
            found.append(exc)
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    if isinstance(found[0], BaseException):
        raise found[0]
    yield found[0]
    found[0].close()
    done.set()
    thread.join()


@pytest.fixture(scope="module")
def aws(live: Live):
    """boto3's client, each of its answers checked against Lambda's model."""
    return client(live)
