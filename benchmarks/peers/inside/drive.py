"""Enqueues jobs and waits for them. Runs in a peer's environment: standard library and the peer only."""

import asyncio
import inspect
import json
import sys
import time
from pathlib import Path
from statistics import median

import tasks
from record import LENGTH

WARM_UP = 100
SINGLES = 100
PATIENCE_S = 300.0


async def put() -> None:
    """One job, in the peer's own way."""
    pending = tasks.enqueue(time.time_ns())
    if inspect.isawaitable(pending):
        await pending


def done() -> int:
    """How many jobs have put down their record."""
    return Path("done").stat().st_size // LENGTH


async def until_done(count: int) -> None:
    """Wait for so many records altogether."""
    end = time.monotonic() + PATIENCE_S
    while done() < count:
        if time.monotonic() > end:
            raise TimeoutError(f"{done()} of {count} jobs were done")
        await asyncio.sleep(0.0005)


async def main(jobs: int) -> None:
    """Warm up, drain, then one by one; the figures go into a file."""
    if hasattr(tasks, "start"):
        await tasks.start()
    for _ in range(WARM_UP):
        await put()
    await until_done(WARM_UP)
    began = time.perf_counter()
    for _ in range(jobs):
        await put()
    enqueued = time.perf_counter()
    await until_done(WARM_UP + jobs)
    drained = time.perf_counter()
    for number in range(SINGLES):
        await put()
        await until_done(WARM_UP + jobs + number + 1)
    keep(jobs, jobs / (enqueued - began), jobs / (drained - began))
    if hasattr(tasks, "stop"):
        await tasks.stop()


def keep(jobs: int, enqueued_rate: float, drained_rate: float) -> None:
    """Write the figures where whoever started us looks for them."""
    taken = [int(line) for line in Path("done").read_text().split()]
    figures = {
        "enqueued_rate": enqueued_rate,
        "drained_rate": drained_rate,
        "p50_us": median(taken[-SINGLES:]) / 1000,
        "wrong": abs(len(taken) - WARM_UP - jobs - SINGLES),
    }
    Path("figures.json").write_text(json.dumps(figures))


asyncio.run(main(int(sys.argv[1])))
