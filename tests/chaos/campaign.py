"""One campaign: load through the front door, fault after fault, then quiet, and the verdict."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaos import workload
from chaos.clients import Clients
from chaos.history import Verdict, judge
from chaos.schedule import Fault
from chaos.system import System

#: How long everything may take to end when nothing is harmed any more, in seconds.
DRAIN_S = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """When there has been enough: as many tasks accepted, and as many faults made."""

    tasks: int
    faults: int = 0


@dataclass(frozen=True)
class Campaign:
    """What happened, and how it is judged."""

    verdict: Verdict
    faults: list[Fault]
    seconds: float


class _Run:
    def __init__(self, system: System, size: Size, seed: int, faults: Iterable[Fault], say: Say) -> None:
        self._system = system
        self._size = size
        self._requests = workload.requests(seed)
        self._coming = iter(faults)
        self._say = say
        self._began = time.monotonic()
        self._loaded = asyncio.Event()
        self.done: list[Fault] = []
        self.clients = Clients(
            system.history, lambda: system.url, system.token, most_open=system.most_open, answer_s=system.answer_s
        )

    async def play(self) -> Verdict:
        marks = {"environment": {"MARKS": str(self._system.marks)}} if self._system.marks else {}
        for name, settings in workload.FUNCTIONS.items():
            await self.clients.deploy(name, workload.SOURCE, **settings, **marks)
        harm = asyncio.create_task(self._harm())
        clients = [self.clients.submit(self._requests, self._wanted) for _ in range(self._system.clients)]
        load = asyncio.gather(*clients)
        await asyncio.wait([load, harm], return_when=asyncio.FIRST_COMPLETED)
        if harm.done():
            harm.result()  # raises what went wrong while doing harm
        await load
        watch = asyncio.create_task(self.clients.watch())
        await asyncio.wait([watch, harm], return_when=asyncio.FIRST_COMPLETED)
        self._loaded.set()
        await harm
        self.tell("no more harm; draining")
        await self._drain(watch)
        return await self._judge()

    def tell(self, text: str) -> None:
        history = self._system.history
        at = time.monotonic() - self._began
        self._say(f"{at:7.1f} s  promised {len(history.promised):>6}  ended {len(history.told):>6}  {text}")

    def _wanted(self) -> bool:
        return self.clients.accepted < self._size.tasks or len(self.done) < self._size.faults

    async def _harm(self) -> None:
        """Fault after fault until everything has ended."""
        for fault in self._coming:
            if await self._over_within(fault.after_s):
                return
            self.done.append(fault)
            self.tell(f"{fault.kind}: {await self._system.inject(fault)}")

    async def _over_within(self, seconds: float) -> bool:
        enough = len(self.done) >= self._size.faults
        try:
            await asyncio.wait_for(self._loaded.wait(), seconds)
        except TimeoutError:
            return False
        return enough

    async def _drain(self, watch: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait_for(watch, DRAIN_S)
        except TimeoutError:
            self.tell(f"not everything has ended within {DRAIN_S:.0f} s")
            self.clients.cancel()
        deadline = time.monotonic() + DRAIN_S
        # What nobody was told of runs as well.
        while await self._open_runs() and time.monotonic() < deadline:  # noqa: ASYNC110 - there is no event for this
            await asyncio.sleep(0.2)

    async def _open_runs(self) -> int:
        pages = [await self.clients.get("/runs", status=status) for status in ("queued", "running")]
        return sum(len(page["items"]) for page in pages)

    async def _judge(self) -> Verdict:
        killed = any(fault.kind == "kill-sandbox" for fault in self.done)
        found = await self.clients.found()
        verdict = judge(self._system.history, found, await self._system.executions(), may_be_killed=killed)
        for run_id in verdict.wrong + verdict.changed:
            self._say(f"{run_id} is {found[run_id]}; what was told: {self._system.history.told.get(run_id)}")
        return verdict


async def campaign(system: System, size: Size, seed: int, faults: Iterable[Fault], say: Say) -> Campaign:
    """Play it to its end. Raises only where the harness itself, or a check in the middle of a fault, fails."""
    began = time.monotonic()
    run = _Run(system, size, seed, itertools.chain(faults), say)
    try:
        verdict = await run.play()
    finally:
        await run.clients.close()
    return Campaign(verdict, run.done, time.monotonic() - began)
