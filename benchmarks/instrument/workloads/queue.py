"""W7: runs that are promised first and done later."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from statistics import median, quantiles

import msgspec

from instrument.bench import NO_OP, Bench, deploy
from instrument.generator import Answers, Generator
from instrument.rows import Limit, Row
from instrument.started import Grid
from nanogrid.client import AsyncClient, RunInfo
from nanogrid.model import Mode, RunStatus

_SLOW = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n"
_CLIENTS = 32
#: Synchronous runs, so that what is measured finds its sandboxes.
_WARM_UP = 200
_SINGLES = 100
_LOOK_S = 0.1
_LOST_AFTER_S = 300.0


async def queue(bench: Bench) -> AsyncIterator[Row]:
    """Accept and drain; one at a time; and a kill -9 with work on the queue. Every promise is looked up afterwards."""
    for step in (_drain, _single, _killed):
        async with bench.grid() as grid:
            await deploy(grid, "noop", NO_OP)
            yield await step(bench, grid)


async def _drain(bench: Bench, grid: Grid) -> Row:
    limits = await bench.limits()
    value = limits["SQLite durable rows in groups of 100, per s"]
    limit = Limit(figure="rate", value=value, source="durable rows")
    accepted: list[Answers] = []
    await bench.generator.listed([grid.target("noop")] * _WARM_UP, clients=_CLIENTS)

    async def load() -> Answers:
        accepted.append(await accept(bench.generator, grid, bench.scale.runs))
        runs = await ended(grid)
        return from_acceptance(runs, wrong=missing(runs, bench.scale.runs))

    row = await bench.row("W7", f"{bench.scale.runs:,} asynchronous runs, drained", grid, load(), limit=limit)
    row.figures["accepted_rate"] = round(accepted[0].rate, 1)
    return row


async def _single(bench: Bench, grid: Grid) -> Row:
    """One at a time: from acceptance to the end, as the grid itself noted."""
    limit = Limit(
        figure="p50_us", value=(await bench.limits())["SQLite durable commit of one row, us"], source="durable row"
    )

    async def load() -> Answers:
        async with grid.client as client:
            for _ in range(_SINGLES):
                await (await client.submit("noop", {})).result()
        runs = await ended(grid)
        return from_acceptance(runs, wrong=missing(runs, _SINGLES))

    row = await bench.row("W7", "one asynchronous run at a time", grid, load(), limit=limit)
    row.figures.pop("rate")
    return row


async def _killed(bench: Bench, grid: Grid) -> Row:
    """Everything that was promised before the kill is done after the restart, once."""
    count = bench.scale.runs // 10
    seen: dict[str, float] = {}
    # Slow enough that most of them wait when the server dies.
    await deploy(grid, "noop", _SLOW, concurrency=4)

    async def load() -> Answers:
        await accept(bench.generator, grid, count)
        killed_at = datetime.now(UTC)
        await grid.program.kill()
        await grid.start()
        runs = await ended(grid)
        seen["after_the_kill"] = sum(run.ended_at is not None and run.ended_at > killed_at for run in runs)
        seen["tried_again"] = sum(run.attempt > 1 for run in runs)
        return from_acceptance(runs, wrong=missing(runs, count))

    row = await bench.row("W7", f"{count:,} runs, killed on the way", grid, load())
    # Only that none is lost counts here; and of two processes no processor time can be told.
    return msgspec.structs.replace(row, figures=seen)


async def accept(generator: Generator, grid: Grid, count: int) -> Answers:
    """Have so many runs promised. Raises `RuntimeError` where one is refused: the rest would mean nothing."""
    target = grid.target("noop", mode="async")
    answers = await generator.listed([target] * count, clients=_CLIENTS)
    if answers.wrong:
        raise RuntimeError(f"{answers.wrong} of {count} were not accepted; the first: {answers.first_wrong}")
    return answers


async def ended(grid: Grid) -> list[RunInfo]:
    """All asynchronous runs, newest first, once none waits or runs any more."""
    async with grid.client as client, asyncio.timeout(_LOST_AFTER_S):
        for status in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.QUEUED):
            while await _any(client, status):  # noqa: ASYNC110 - the news is in another process
                await asyncio.sleep(_LOOK_S)
        return [run async for run in client.runs("noop") if run.mode is Mode.ASYNC]


async def _any(client: AsyncClient, status: RunStatus) -> bool:
    return bool([run async for run in client.runs("noop", status=status, limit=1)])


def missing(runs: list[RunInfo], promised: int) -> int:
    """How many did not end well, or are not there, or are there twice."""
    good = {run.run_id for run in runs if run.status is RunStatus.SUCCEEDED}
    return promised - len(good) + len(runs) - len({run.run_id for run in runs})


def from_acceptance(runs: list[RunInfo], *, wrong: int) -> Answers:
    """From first acceptance to last end; a run's latency is from its acceptance to its end."""
    ended = [run for run in runs if run.ended_at]
    taken = [(run.ended_at - run.created_at).total_seconds() * 1e6 for run in ended if run.ended_at]
    first, last = min(run.created_at for run in ended), max(run.ended_at for run in ended if run.ended_at)
    parts = quantiles(taken, n=1000, method="inclusive")
    return Answers(
        generator="own",
        answers=len(ended),
        seconds=(last - first).total_seconds(),
        p50_us=round(median(taken), 1),
        p99_us=round(parts[989], 1),
        p999_us=round(parts[998], 1),
        wrong=wrong,
        first_wrong="promised runs did not end well" if wrong else "",
    )
