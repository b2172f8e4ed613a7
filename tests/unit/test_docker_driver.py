"""What the Docker driver promises besides walls: nothing is left behind, and what can't be is said."""

import asyncio
import os

import pytest

from docker_cells import SOCKET, make_docker, needs_docker, new_inmate, started_docker
from nanogrid.errors import RuntimeUnavailable, SandboxUnavailable
from nanogrid.model import Network
from nanogrid.sandbox.docker_policy import GRID
from nanogrid.sandbox.engine import Engine
from waiting import until

pytestmark = needs_docker


async def containers(driver):
    engine = Engine(SOCKET)
    await engine.agree()
    try:
        return await engine.containers(f"{GRID}={driver._grid}")
    finally:
        await engine.close()


async def test_a_killed_sandbox_leaves_neither_container_nor_folder(tmp_path):
    async with started_docker(tmp_path) as driver:
        inmate = await new_inmate(driver)
        before = len(await containers(driver))
        await inmate.guard.kill()
        await inmate.guard.kill()

        assert (before, await containers(driver)) == (1, [])
        assert not inmate.cell.slot.folder.exists()
        assert inmate.cell.memory_mb() == 0.0


async def test_closing_ends_all_that_is_left(tmp_path):
    async with started_docker(tmp_path) as driver:
        await asyncio.gather(*(new_inmate(driver) for _ in range(3)))

    assert await containers(driver) == []


async def test_a_start_removes_what_a_crash_has_left(tmp_path):
    crashed, guards = make_docker(tmp_path)
    await crashed.start()
    await crashed.create(crashed.runtimes()[0], Network.NONE)
    left = await containers(crashed)
    os.close(crashed._workspace._lock)  # all that a dead process gives back
    async with started_docker(tmp_path) as driver:
        kept = await containers(driver)

    assert (len(left), kept) == (1, [])
    await guards[0].kill()
    await crashed._engine.close()


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path):
    async with started_docker(tmp_path) as driver:
        creating = asyncio.create_task(driver.create(driver.runtimes()[0], Network.NONE))
        await until(lambda: bool(driver._starter._cells))
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        await asyncio.gather(*driver._starter._discarding)

        assert await containers(driver) == []
        assert driver._starter._cells == set()


async def test_a_container_that_vanishes_is_an_end_like_any_other(tmp_path):
    async with started_docker(tmp_path) as driver:
        inmate = await new_inmate(driver)
        await driver._engine.remove(inmate.cell.name)  # as an operator may
        await until(lambda: not inmate.guard.reusable)
        await inmate.guard.kill()

        assert not inmate.cell.slot.folder.exists()


async def test_runtimes_that_are_no_image_are_refused(tmp_path):
    async with started_docker(tmp_path) as driver:
        with pytest.raises(RuntimeUnavailable, match="no image that runs 'cobol'"):
            await driver.create("cobol", Network.NONE)


async def test_without_a_filter_there_is_no_network(tmp_path):
    async with started_docker(tmp_path) as driver:
        driver._outbound.why_not = "no filter."

        assert driver.why_not(Network.OUTBOUND) == "no filter."
        assert driver.why_not(Network.NONE) == ""
        with pytest.raises(SandboxUnavailable, match="no filter"):
            await driver.create(driver.runtimes()[0], Network.OUTBOUND)


#: Asks for an event, and answers with it.
BOOTSTRAP = """#!/usr/bin/env python3
import os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as asked:
        run_id, event = asked.headers["Lambda-Runtime-Aws-Request-Id"], asked.read()
    urllib.request.urlopen(api + run_id + "/response", b'{"got":' + event + b"}").close()
"""
#: The runtime, its code, its handler.
OTHERS = [
    ("nodejs", {"index.js": "exports.handler = async (event) => ({ got: event })"}, "index.handler"),
    ("command", {"run": '#!/bin/sh\nread event\necho "{\\"got\\":$event}"\n'}, "run"),
    ("provided", {"bootstrap": BOOTSTRAP}, "any.thing"),
]


@pytest.mark.parametrize(("runtime", "files", "handler"), OTHERS, ids=[runtime for runtime, *_ in OTHERS])
async def test_other_runtimes_run_in_containers_too(tmp_path, runtime, files, handler):
    async with started_docker(tmp_path, files) as driver:
        inmate = await new_inmate(driver, runtime=runtime, handler=handler)
        reply = await inmate.call("x")

    assert reply.error is None
    assert bytes(reply.output) == b'{"got":"x"}'


async def test_no_engine_is_said_with_what_to_do(tmp_path):
    driver, _ = make_docker(tmp_path, engine=Engine(tmp_path / "nobody.sock"))
    with pytest.raises(SandboxUnavailable, match=r"no Docker engine answers at .*nobody\.sock.*as root"):
        await driver.start()
    await driver.close()


async def test_a_spare_is_measured_from_outside(tmp_path):
    async with started_docker(tmp_path) as driver:
        inmate = await new_inmate(driver)

        assert 5 < inmate.cell.memory_mb() < 64
