"""W8: what a warm function costs while nobody calls it."""

from collections.abc import AsyncIterator

from instrument import processes
from instrument.bench import NO_OP, NO_OP_ANSWER, Bench, deploy_distinct
from instrument.rows import Limit, Row


async def density(bench: Bench) -> AsyncIterator[Row]:
    """Many distinct functions, each run once, all still warm."""
    limit = Limit(figure="each_mb", value=(await bench.limits())["forked interpreter, MB"], source="forked interpreter")
    async with bench.grid() as grid:
        names = await deploy_distinct(grid, bench.scale.warm, NO_OP)
        targets = [grid.target(name, expect=NO_OP_ANSWER) for name in names]
        load = bench.generator.listed(targets, clients=4)
        row = await bench.row("W8", f"{len(names)} warm functions", grid, load, limit=limit)
        memory = processes.pss_mb(grid.pid)
        row.figures.clear()
        row.figures["memory_mb"] = round(memory.total, 1)
        row.figures["server_mb"] = round(memory.server, 1)
        row.figures["each_mb"] = round(memory.below / len(names), 2)
        yield row
