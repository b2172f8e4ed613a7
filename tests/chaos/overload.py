"""Runs longer than a lease, and a machine with far more to do than it can: a live worker is not robbed of its tasks."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from chaos import workload
from chaos.aws import LEASE_S, SLOTS, WORKERS, aws_system
from flow_steps import deploy, ended, run

#: Busy processes for each core.
_BUSY = 4
#: Each run lasts so many leases, and each slot has so many of them.
_LEASES, _ROUNDS = 3, 2
_RUNS = WORKERS * SLOTS * _ROUNDS


@dataclass(frozen=True)
class Endured:
    """What came of the runs."""

    executions: int
    right: int

    @property
    def once(self) -> bool:
        """Whether each was executed once."""
        return self.executions == self.right == _RUNS

    def __str__(self) -> str:
        return f"{_RUNS} runs of {_LEASES * LEASE_S:.0f} s, {self.executions} executions, {self.right} right at once"


async def endured() -> Endured:
    """All slots are taken by runs that only heartbeats keep, while every core is overloaded."""
    async with aws_system("process") as system, _busy(_BUSY * (os.cpu_count() or 1)):
        headers = {"Authorization": f"Bearer {system.token}"}
        async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=60) as client:
            marks = {"MARKS": str(system.marks)}
            await deploy(client, "slow", workload.SOURCE, timeoutMs=60_000, environment=marks)
            asked = [await run(client, "slow", _input(number), Prefer="respond-async") for number in range(_RUNS)]
            records = [await ended(client, answer.json()["runId"]) for answer in asked]
        executions = await system.executions()
    right = sum((record["status"], record["attempt"]) == ("succeeded", 1) for record in records)
    return Endured(executions.total(), right)


def _input(number: int) -> dict[str, object]:
    return {"token": f"slow-{number}", "ms": 1000 * _LEASES * LEASE_S, "fails": False}


@asynccontextmanager
async def _busy(count: int) -> AsyncIterator[None]:
    """So many processes that compute and do nothing else."""
    spin = [await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(count)]
    try:
        yield
    finally:
        for process in spin:
            process.kill()
        await asyncio.gather(*(process.wait() for process in spin))
