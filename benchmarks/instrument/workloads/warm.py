"""W1 to W4: functions that are warm."""

import json
import os
from collections.abc import AsyncIterator

from instrument.bench import NO_OP, NO_OP_ANSWER, Bench, deploy, limited
from instrument.generator import Answers
from instrument.rows import Limit, Row
from nanogrid.cli.load import Target

_CLIENTS = (1, 8, 32)
_COMPUTE_CLIENTS = (1, 2, 8)
_COMPUTE_MS = 10
_SLEEP_S = 0.1
_MINIMAL = "minimal platform"

_ECHO = "def handler(event, context):\n    return event\n"
_ECHO_EVENT = json.dumps({"text": "x" * 1000, "number": 17}, separators=(",", ":")).encode()
_COMPUTE = f"""
import time
def handler(event, context):
    end = time.process_time() + {_COMPUTE_MS / 1000}
    while time.process_time() < end:
        pass
    return {{'ok': True}}
"""
_SLEEP = f"import time\ndef handler(event, context):\n    time.sleep({_SLEEP_S})\n    return {{'ok': True}}\n"


async def no_op(bench: Bench) -> AsyncIterator[Row]:
    """W1: nothing is done, so that all that is measured is ours."""
    async for row in _beside_minimal(bench, "W1", "no-op", NO_OP, b'{"ok":true}', NO_OP_ANSWER):
        yield row


async def echo(bench: Bench) -> AsyncIterator[Row]:
    """W2: 1 KB of JSON there and back."""
    async for row in _beside_minimal(bench, "W2", "echo 1 KB", _ECHO, _ECHO_EVENT, _ECHO_EVENT):
        yield row


async def compute(bench: Bench) -> AsyncIterator[Row]:
    """W3: each run needs the processor for 10 ms; what is missing to the processors' number is lost to us."""
    possible = bench.place.cores(os.cpu_count() or 1) * 1000 / _COMPUTE_MS
    limit = Limit(figure="rate", value=possible, source="processors x 100")
    async with bench.grid() as grid:
        await deploy(grid, "compute", _COMPUTE)
        target = grid.target("compute", expect=NO_OP_ANSWER)
        for clients in _COMPUTE_CLIENTS:
            await bench.generator.warm_up(target, clients=clients, seconds=bench.scale.warm_up_s)
            load = bench.generator.closed(target, clients=clients, seconds=bench.scale.seconds)
            # One client can't keep two processors busy.
            at_most = min(possible, clients * 1000 / _COMPUTE_MS)
            yield await bench.row(
                "W3",
                f"10 ms of work, {_clients(clients)}",
                grid,
                load,
                limit=Limit(figure="rate", value=at_most, source=limit.source),
            )


async def sleepers(bench: Bench) -> AsyncIterator[Row]:
    """W4: many runs at once, none of which needs a processor."""
    for clients in bench.scale.sleepers:
        async with bench.grid() as grid:
            await deploy(grid, "sleep", _SLEEP)
            target = grid.target("sleep", expect=NO_OP_ANSWER)
            # Each needs a sandbox of its own, and they start a few at a time.
            seconds = max(bench.scale.warm_up_s, clients / 50)
            await bench.generator.warm_up(target, clients=clients, seconds=seconds)
            load = bench.generator.closed(target, clients=clients, seconds=bench.scale.seconds)
            limit = Limit(figure="rate", value=clients / _SLEEP_S, source="clients / 100 ms")
            yield await bench.row("W4", f"sleep 100 ms, {_clients(clients)}", grid, load, limit=limit, memory=True)


async def _beside_minimal(
    bench: Bench, workload: str, title: str, source: str, event: bytes, answer: bytes
) -> AsyncIterator[Row]:
    async with bench.grid() as grid:
        await deploy(grid, "measured", source)
        target = grid.target("measured", event, expect=answer)
        for clients in _CLIENTS:
            await bench.generator.warm_up(target, clients=clients, seconds=bench.scale.warm_up_s)
            limit = await _minimal(bench, event, clients)
            load = bench.generator.closed(target, clients=clients, seconds=bench.scale.seconds)
            yield await bench.row(workload, f"{title}, {_clients(clients)}", grid, load, limit=limit, memory=True)


async def _minimal(bench: Bench, event: bytes, clients: int) -> Limit:
    """The same event at the minimal platform: latency for one client, throughput for many."""
    async with bench.minimal(event, b"") as target:
        answers = await _warm(bench, target, clients)
    return limited(answers, "p50_us" if clients == 1 else "rate", _MINIMAL)


async def _warm(bench: Bench, target: Target, clients: int) -> Answers:
    await bench.generator.warm_up(target, clients=clients, seconds=bench.scale.warm_up_s / 2)
    return await bench.generator.closed(target, clients=clients, seconds=bench.scale.seconds)


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"
