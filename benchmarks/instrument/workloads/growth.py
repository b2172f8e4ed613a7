"""W11: whether a run becomes dearer as the grid fills up with functions and with history."""

import asyncio
import sys
from collections.abc import AsyncIterator

from instrument import processes
from instrument.bench import HERE, NO_OP, NO_OP_ANSWER, Bench, deploy, deploy_distinct
from instrument.generator import Answers
from instrument.rows import Limit, Row
from instrument.started import Grid, StartFailed

_CLIENTS = 1
#: How many deployments are under way at once.
_DEPLOYERS = 8


async def growth(bench: Bench) -> AsyncIterator[Row]:
    """The same run on few functions and on many, on a short history and on a long one; the first is the limit."""
    few, many = bench.scale.functions
    async with bench.grid() as grid:
        await deploy_distinct(grid, few, NO_OP)
        first = await _row(bench, grid, f"no-op beside {few:,} functions", None)
        yield first
        await _deploy_more(grid, few, many)
        yield await _row(bench, grid, f"no-op beside {many:,} functions", first)
    short, long = bench.scale.history
    async with bench.grid() as grid:
        await deploy(grid, "distinct-0", NO_OP)
        await _remember(grid, short)
        first = await _row(bench, grid, f"no-op after {short:,} runs", None)
        yield first
        await _remember(grid, long - short)
        yield await _row(bench, grid, f"no-op after {long:,} runs", first)


async def _row(bench: Bench, grid: Grid, title: str, first: Row | None) -> Row:
    target = grid.target("distinct-0", expect=NO_OP_ANSWER)
    await bench.generator.warm_up(target, clients=_CLIENTS, seconds=bench.scale.warm_up_s)
    limit = first and Limit(figure="p50_us", value=first.figures["p50_us"], source=first.title)
    row = await bench.row("W11", title, grid, _load(bench, grid), limit=limit)
    row.figures["server_mb"] = round(processes.pss_mb(grid.pid).server, 1)
    return row


def _load(bench: Bench, grid: Grid) -> "asyncio.Future[Answers]":
    target = grid.target("distinct-0", expect=NO_OP_ANSWER)
    return asyncio.ensure_future(bench.generator.closed(target, clients=_CLIENTS, seconds=bench.scale.seconds))


async def _deploy_more(grid: Grid, few: int, many: int) -> None:
    names = [f"distinct-{number}" for number in range(few, many)]
    async with grid.client as client:

        async def deploy_all(mine: list[str]) -> None:
            for name in mine:
                await client.deploy(f"{NO_OP}\n# {name}\n", name=name)

        await asyncio.gather(*(deploy_all(names[first::_DEPLOYERS]) for first in range(_DEPLOYERS)))


async def _remember(grid: Grid, count: int) -> None:
    """Give the grid that many ended runs more. It is stopped meanwhile: they are written past it."""
    await grid.program.stop()
    arguments = [sys.executable, str(HERE / "seed_history.py"), str(grid.data), str(count)]
    process = await asyncio.create_subprocess_exec(*arguments)
    if await process.wait():
        raise StartFailed(f"{count} runs of history could not be written.")
    await grid.start()
