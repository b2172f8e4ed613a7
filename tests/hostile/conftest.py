"""One grid for all attacks of a test process, for each kind of sandbox."""

import asyncio
from collections.abc import Iterator

import pytest
from arena import Arena, arena

from docker_cells import SOCKET, have_images, needs_docker
from nanogrid.sandbox.engine import Engine

DRIVERS = ["bubblewrap", pytest.param("docker", marks=needs_docker)]


@pytest.fixture(scope="session", params=DRIVERS)
def attacked(request) -> Iterator[Arena]:
    if request.param == "docker":
        asyncio.run(_have_images())
    with arena(request.param) as started:
        yield started


async def _have_images() -> None:
    engine = Engine(SOCKET)
    try:
        await engine.agree()
        await have_images(engine)
    finally:
        await engine.close()
