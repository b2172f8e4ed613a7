"""`nanogrid bench`, against a grid that is really there."""

import asyncio
import json

from typer.testing import CliRunner

from grid import started_grid
from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app


async def bench(grid, *arguments):
    """The command, in a thread: it has an event loop of its own."""
    app = make_app(environ={"NANOGRID_URL": grid.url, "NANOGRID_TOKEN": grid.token})
    return await asyncio.to_thread(CliRunner().invoke, app, ["bench", "--seconds", "0.2", *arguments])


async def test_bench_measures_real_runs_and_leaves_no_function_behind():
    async with started_grid() as grid:
        done = await bench(grid, "--clients", "2", "--json")
        async with grid.client as client:
            left = [function async for function in client.functions()]

    figures = json.loads(done.stdout)
    assert done.exit_code == ExitCode.OK
    assert figures["runs"] > 0
    assert figures["failed"] == 0
    assert 0 < figures["p50Ms"] <= figures["p99Ms"] <= figures["maxMs"]
    assert left == []


async def test_bench_of_a_function_gives_it_the_input_and_keeps_it():
    async with started_grid() as grid, grid.client as client:
        await client.deploy("def handler(event, context):\n    return 1 / event['n']\n", name="invert")
        done = await bench(grid, "--function", "invert", "--input", '{"n": 2}')

        assert done.exit_code == ExitCode.OK
        assert "per second" in done.stdout
        assert (await client.function("invert")).name == "invert"


async def test_bench_exits_1_and_shows_the_first_failure_where_runs_fail():
    async with started_grid() as grid, grid.client as client:
        await client.deploy("def handler(event, context):\n    return 1 / 0\n", name="fails")
        done = await bench(grid, "--function", "fails")

    assert done.exit_code == ExitCode.FAILED
    assert "nothing was answered" in done.stdout
    assert "ZeroDivisionError" in done.stdout
