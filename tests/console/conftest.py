"""One loop, one Chromium and one grid for all tests of the console: starting them costs more than most tests do."""

import asyncio
import inspect

import pytest
from console_browser import browser

from flow_steps import http
from grid import started_grid


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a coroutine test in the loop that Chromium and grid were started in."""
    runner = pyfuncitem.funcargs.get("runner")
    if runner is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    runner.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def chromium(runner):
    context = browser()
    yield runner.run(context.__aenter__())
    runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def shared_grid(runner):
    context = started_grid()
    yield runner.run(context.__aenter__())
    runner.run(context.__aexit__(None, None, None))


@pytest.fixture
def grid(shared_grid, runner):
    """The grid without any function, secret or key; the runs of earlier tests are in its history."""
    yield shared_grid
    runner.run(_emptied(shared_grid))


async def _emptied(grid):
    async with http(grid) as client:
        for secret in (await client.get("/secrets")).json()["items"]:
            await client.delete(f"/secrets/{secret['name']}")
        for key in (await client.get("/keys")).json()["items"]:
            await client.delete(f"/keys/{key['keyId']}")
        for function in (await client.get("/functions")).json()["items"]:
            await client.delete(f"/functions/{function['functionId']}")
