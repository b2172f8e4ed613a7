"""What a poison does to itself and to others: one that kills its sandbox, and one that takes its worker along."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from chaos.aws import LEASE_S, AwsSystem, aws_system
from chaos.fairness import bench_p99
from flow_steps import deploy, ended, http, run
from grid import started_grid
from nanogrid.model import MAX_PLATFORM_FAILURES

#: Waits rather than computes: this measures whose turn it is, not how fast the machine is.
_GOOD = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n"
_KILLS_ITS_SANDBOX = "import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
_MAX_RUNNING = 16
#: How long the poison goes on before the others are measured, in seconds.
_LEAD_S = 2.0

#: Says which process it is, so that its worker can be found and killed: as an instance would die that it exhausts.
_KILLS_ITS_WORKER = """
import os, time
def handler(event, context):
    descriptor = os.open(os.environ["MARKS"], os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{os.getpid()}\\n".encode())
    os.close(descriptor)
    time.sleep(event)
    return "cured"
"""
_OTHERS = 100
#: As long as the poison runs when nobody kills its worker, in seconds.
_RUNS_S = 3.0


@dataclass(frozen=True)
class Beside:
    """A client's runs while another function kills its sandbox each time."""

    alone_ms: float
    ratio: float
    poisoned: int
    #: From asking to the answer that says how it died: the slowest, in milliseconds.
    slowest_ms: float

    def __str__(self) -> str:
        return (
            f"p99 alone {self.alone_ms:.1f} ms, {self.ratio:.2f} times that beside it; {self.poisoned} crashes, "
            f"each answered within {self.slowest_ms:.0f} ms"
        )


@dataclass(frozen=True)
class Buried:
    """A task that took its worker along each time."""

    workers_lost: int
    #: From when it was accepted to when it was a dead letter, in seconds.
    seconds: float
    others_right: int
    redriven: str

    @property
    def bounded(self) -> bool:
        """Five lost workers, each noticed within two leases, and nobody else's run was touched."""
        in_time = self.workers_lost == MAX_PLATFORM_FAILURES and self.seconds <= 2 * MAX_PLATFORM_FAILURES * LEASE_S
        return in_time and self.others_right == _OTHERS and self.redriven == "succeeded"

    def __str__(self) -> str:
        return (
            f"a dead letter after {self.seconds:.0f} s and {self.workers_lost} lost workers; "
            f"{self.others_right} of {_OTHERS} others right; redriven: {self.redriven}"
        )


async def beside(seconds: float) -> Beside:
    """A client asks for a poison again and again, another for something good."""
    async with started_grid(environment={"NANOGRID_MAX_RUNNING": str(_MAX_RUNNING)}) as grid, http(grid) as client:
        await deploy(client, "good", _GOOD)
        await deploy(client, "poison", _KILLS_ITS_SANDBOX)
        alone = await bench_p99(grid, "good", 1, seconds)
        poisoning = asyncio.create_task(_crash(client, _LEAD_S + seconds))
        await asyncio.sleep(_LEAD_S)
        beside = await bench_p99(grid, "good", 1, seconds)
        took = await poisoning
    return Beside(alone, beside / alone, len(took), 1000 * max(took))


async def _crash(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """How long each crash took to be answered, in seconds."""
    took: list[float] = []
    over = time.monotonic() + seconds
    while (asked := time.monotonic()) < over:
        record = (await run(client, "poison", None)).json()
        assert (record["status"], record["error"]["kind"], record["attempt"]) == ("failed", "exited", 1), record
        took.append(time.monotonic() - asked)
    return took


async def buried() -> Buried:
    """A task kills each worker that begins it, others run meanwhile; then it is cured and redriven."""
    async with aws_system("process") as system:
        headers = {"Authorization": f"Bearer {system.token}"}
        async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=60) as client:
            await deploy(client, "good", _GOOD)
            await deploy(client, "poison", _KILLS_ITS_WORKER, environment={"MARKS": str(system.marks)})
            began, lost, cured = time.monotonic(), [], asyncio.Event()
            poison = await _accepted(client, "poison", _RUNS_S)
            killing = asyncio.create_task(_lose_each_worker(system, lost, cured))
            others = [await _accepted(client, "good", None) for _ in range(_OTHERS)]
            dead = await ended(client, poison)
            seconds = time.monotonic() - began
            cured.set()
            await killing
            right = [await ended(client, other) for other in others]
            assert dead["status"] == "dead", dead
            (await client.post(f"/dead-letters/{poison}/redrive")).raise_for_status()
            again = await ended(client, poison)
    succeeded = sum(one["status"] == "succeeded" for one in right)
    return Buried(len(lost), seconds, succeeded, again["status"])


async def _accepted(client: httpx.AsyncClient, function: str, value: object) -> str:
    answer = await run(client, function, value, Prefer="respond-async")
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return answer.json()["runId"]


async def _lose_each_worker(system: AwsSystem, lost: list[str], cured: asyncio.Event) -> None:
    """Kill the worker of every process that has left its mark, until that is cured."""
    assert system.marks is not None
    while not cured.is_set():
        for pid in system.marks.read_text().split()[len(lost) :]:
            await system.lose_worker_of(int(pid))
            lost.append(pid)
        await asyncio.sleep(0.05)
