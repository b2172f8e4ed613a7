"""W9 and W10: how bad it gets for the unlucky."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from instrument.bench import NO_OP_ANSWER, Bench, deploy, limited
from instrument.generator import Answers
from instrument.rows import Limit, Row
from instrument.started import Grid

_CLIENTS = 32
_SHARES = (0.5, 0.8)
#: How long a neighbour goes on around a measurement, in seconds.
_MARGIN_S = 1.0

_SPIN = "def handler(event, context):\n    return {'ok': sum(range(20_000_000)) > 0}\n"
_ALLOCATE = "def handler(event, context):\n    return {'ok': len(bytearray(b'x') * 80_000_000) > 0}\n"


async def tail(bench: Bench) -> AsyncIterator[Row]:
    """W9: arrivals that do not wait, at half and at most of what the grid can do at the very most."""
    async with bench.no_op_grid() as (grid, target), bench.minimal(b'{"ok":true}', b"") as minimal:
        await bench.generator.warm_up(target, clients=_CLIENTS, seconds=bench.scale.warm_up_s)
        peak = (await bench.generator.closed(target, clients=_CLIENTS, seconds=bench.scale.seconds)).rate
        for share in _SHARES:
            rate, seconds = peak * share, bench.scale.seconds
            beside = await bench.generator.arrivals(minimal, kind="poisson", rate=rate, seconds=seconds)
            load = bench.generator.arrivals(target, kind="poisson", rate=rate, seconds=seconds)
            limit = limited(beside, "p99_us", "minimal platform")
            yield await bench.row("W9", f"Poisson arrivals at {share:.0%} of the peak", grid, load, limit=limit)


async def noisy_neighbour(bench: Bench) -> AsyncIterator[Row]:
    """W10: one client, alone, and beside functions of others that take what they can get."""
    async with bench.no_op_grid() as (grid, target):
        await deploy(grid, "spin", _SPIN)
        await deploy(grid, "allocate", _ALLOCATE, memory_mb=256)
        await bench.generator.warm_up(target, clients=1, seconds=bench.scale.warm_up_s)
        quiet = await bench.row("W10", "no-op, alone", grid, _one_client(bench, grid))
        yield quiet
        limit = Limit(figure="p99_us", value=quiet.figures["p99_us"], source="alone")
        for neighbour in ("spin", "allocate"):
            load = _beside(bench, grid, neighbour)
            yield await bench.row("W10", f"no-op, a neighbour {_DOES[neighbour]}", grid, load, limit=limit)


_DOES = {"spin": "computes", "allocate": "allocates"}


def _one_client(bench: Bench, grid: Grid) -> Coroutine[Any, Any, Answers]:
    return bench.generator.closed(grid.target("noop", expect=NO_OP_ANSWER), clients=1, seconds=bench.scale.seconds)


async def _beside(bench: Bench, grid: Grid, neighbour: str) -> Answers:
    noise = asyncio.create_task(
        bench.generator.warm_up(
            grid.target(neighbour, expect=NO_OP_ANSWER), clients=2, seconds=bench.scale.seconds + 2 * _MARGIN_S
        )
    )
    await asyncio.sleep(_MARGIN_S)
    answers = await _one_client(bench, grid)
    await noise
    return answers
