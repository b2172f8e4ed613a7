"""The rehearsal from the first step to the verdict."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nanogrid.client.asynchronous import AsyncClient
from nanogrid.clock import Clock
from nanogrid.cloud.rehearsal.alarms import Alarms, Pace
from nanogrid.cloud.rehearsal.burst import FUNCTION, SOURCE, Gauge, Ledger, Nemesis, history_of, submit_all
from nanogrid.cloud.rehearsal.flows import time_deployments, time_runs
from nanogrid.cloud.rehearsal.moments import Moments
from nanogrid.cloud.rehearsal.report import Burst, Plan, Report, Sample, faults
from nanogrid.cloud.rehearsal.stage import Stage, open_stage
from nanogrid.cloud.rehearsal.watcher import Watcher
from nanogrid.errors import PlatformError
from nanogrid.model import RunStatus

_LOOK_S = 0.5
#: Longest time from the first task to the last worker's departure, in seconds.
_PATIENCE_S = 240.0


class Rehearsal:
    """The burst on one stage."""

    def __init__(self, plan: Plan, stage: Stage, client: AsyncClient, moments: Moments, watcher: Watcher) -> None:
        """Nothing has happened yet."""
        self._plan = plan
        self._stage = stage
        self._client = client
        self._moments = moments
        self._watcher = watcher
        self._ledger = Ledger()
        self.samples: list[Sample] = []
        self._done_at_s: float | None = None

    async def run(self, clock: Clock) -> Burst:
        """The burst until the extra workers have gone, and the count after it. Raises `TimeoutError`."""
        await self._client.deploy(SOURCE, name=FUNCTION, runtime=self._stage.runtime)
        self._moments.begin()
        async with self._alarmed(clock), asyncio.timeout(_PATIENCE_S), asyncio.TaskGroup() as group:
            submitting = group.create_task(submit_all(self._client, self._plan, self._ledger))
            group.create_task(self._watch(submitting))
        return await self._count()

    @asynccontextmanager
    async def _alarmed(self, clock: Clock) -> AsyncIterator[None]:
        """The alarms look, as long as the context lasts."""
        pace = Pace(period_s=self._plan.period_s, empty_periods=self._plan.empty_periods)
        looking = asyncio.create_task(Alarms(self._visible, self._stage.group.change, clock, pace).run())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _visible(self) -> int:
        return (await self._stage.depth()).visible

    async def _watch(self, submitting: asyncio.Task[None]) -> None:
        """Look, and break things, until all is done and the extra workers have gone."""
        nemesis = Nemesis(self._stage.group, self._stage.redis, self._moments.tell, self._plan)
        gauge = Gauge(self._stage.depth, self._stage.group, self._ledger, self._moments.now)
        while True:
            sample = await gauge.read()
            self.samples.append(sample)
            self._watcher.sample(sample)
            if self._done_at_s is None and submitting.done() and sample.done == sample.submitted:
                self._done_at_s = sample.at_s
            if self._done_at_s is not None and sample.workers == 1 and not sample.draining:
                return
            await nemesis.act(sample, self._ledger)
            await asyncio.sleep(_LOOK_S)

    async def _count(self) -> Burst:
        """What the API says of each run, whatever was seen on the way."""
        history = await history_of(self._client)
        mine = [history[run_id] for run_id in self._ledger.runs.values() if run_id in history]
        return Burst(
            submitted=len(self._ledger.runs),
            succeeded=sum(run.status is RunStatus.SUCCEEDED for run in mine),
            lost=self._ledger.lost(history),
            duplicated=len(history) - len(set(self._ledger.runs.values())),
            tried_again=sum(run.attempt > 1 for run in mine),
            cut_off=self._stage.cut_off() + self._moments.timed_out,
            killed_workers=self._ledger.killed_workers,
            redis_restarts=self._ledger.redis_restarts,
            took_s=self._done_at_s or 0.0,
        )


async def rehearse(plan: Plan, watcher: Watcher, folder: Path) -> Report:
    """Rehearse, with all that it takes in the folder. Raises `PlatformError` where the stage cannot be set."""
    clock = Clock()
    began_at = clock.monotonic()
    moments = Moments(clock, watcher)
    async with open_stage(plan, watcher, folder, clock, moments.happened) as stage, stage.client() as client:
        watcher.step(f"time {plan.timed_deployments} deployments and {plan.timed_runs} warm runs, hop by hop")
        deploy, run = await time_deployments(stage, plan), await time_runs(stage, plan)
        watcher.step(f"{plan.tasks} tasks in a burst")
        rehearsal = Rehearsal(plan, stage, client, moments, watcher)
        try:
            burst = await rehearsal.run(clock)
        except TimeoutError as exc:
            raise PlatformError(f"the burst was not over in {_PATIENCE_S:.0f} s.", hint=f"Look at {folder}.") from exc
        watcher.step("strike the stage")
    return Report(
        plan=plan,
        sandbox=stage.sandbox,
        took_s=round(clock.monotonic() - began_at, 1),
        burst=burst,
        samples=rehearsal.samples,
        moments=moments.seen,
        run=run,
        deploy=deploy,
        faults=faults(plan, burst, rehearsal.samples, high=5, low=1),
    )
