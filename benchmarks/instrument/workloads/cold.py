"""W5 and W6: functions that have never run."""

from collections.abc import AsyncIterator

from instrument.bench import NO_OP, NO_OP_ANSWER, Bench, deploy_distinct
from instrument.rows import Limit, Row
from instrument.started import Grid
from nanogrid.cli.load import Target

#: Long enough for a spare to be started meanwhile.
_PAUSE_S = 0.1
_STEP_RATE = 500.0
_COLD = b'"coldStart":true'
#: The weight of a usual small dependency, from the standard library, so that nothing has to be installed.
_IMPORTS = (
    "import asyncio, decimal, email.message, http.client, logging, sqlite3, unittest, urllib.request, xml.dom.minidom\n"
)


async def cold(bench: Bench) -> AsyncIterator[Row]:
    """W5: first runs of distinct functions, one after the other."""
    limit = await _fork(bench)
    for title, source, pause_s in (
        ("first run, from a spare", NO_OP, _PAUSE_S),
        ("first run, on demand", NO_OP, 0.0),
        ("first run with imports, from a spare", _IMPORTS + NO_OP, _PAUSE_S),
    ):
        async with bench.grid() as grid:
            targets = await _distinct(bench, grid, source)
            load = bench.generator.listed(targets, clients=1, pause_s=pause_s)
            row = await bench.row("W5", title, grid, load, limit=limit)
            # One after the other with rests is no throughput.
            row.figures.pop("rate")
            yield row


async def burst(bench: Bench) -> AsyncIterator[Row]:
    """W6: many first runs at the same moment; and a function that is asked often from its first moment on."""
    fork = await _fork(bench)
    async with bench.grid() as grid:
        targets = await _distinct(bench, grid, NO_OP)
        load = bench.generator.listed(targets, clients=len(targets))
        limit = Limit(figure="rate", value=1e6 / fork.value, source=fork.source)
        yield await bench.row("W6", f"{len(targets)} first runs at once", grid, load, limit=limit)
    async with bench.no_op_grid() as (grid, target):
        load = bench.generator.arrivals(target, kind="steady", rate=_STEP_RATE, seconds=bench.scale.seconds)
        limit = Limit(figure="rate", value=_STEP_RATE, source="what is sent")
        yield await bench.row("W6", f"from nothing to {_STEP_RATE:.0f} per second", grid, load, limit=limit)


async def _distinct(bench: Bench, grid: Grid, source: str) -> list[Target]:
    """A first run of each of so many functions; only a cold one is right."""
    names = await deploy_distinct(grid, bench.scale.cold, source)
    return [grid.target(name, expect=NO_OP_ANSWER, also=(_COLD,)) for name in names]


async def _fork(bench: Bench) -> Limit:
    value = (await bench.limits())["fork to ready, us"]
    return Limit(figure="p50_us", value=value, source="fork to ready")
