"""The burst: many tasks, a worker that is killed and a Redis that vanishes in the middle, and the count after."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from nanogrid.client.asynchronous import AsyncClient
from nanogrid.client.errors import ConnectionFailed
from nanogrid.client.records import RunInfo
from nanogrid.cloud.rehearsal.group import Group, State
from nanogrid.cloud.rehearsal.redis_server import RedisServer
from nanogrid.cloud.rehearsal.report import Plan, Sample
from nanogrid.errors import PlatformError
from nanogrid.model import Depth, RunStatus

FUNCTION = "rehearsal-burst"
SOURCE = """import time

def handler(event, context):
    time.sleep(event["sleepS"])
    return {"n": event["n"], "double": 2 * event["n"]}
"""
#: Requests at once. Each makes the emulator start a process for the Lambda, so more would only be slower.
_AT_ONCE = 6
_TRIES = 5
#: Shares of the tasks that are done when something is broken.
_KILL_AT = 0.3
_RESTART_AT = 0.5


class Ledger:
    """Which task became which run."""

    def __init__(self) -> None:
        """Nothing is submitted yet."""
        self.runs: dict[int, str] = {}
        self.killed_workers = 0
        self.redis_restarts = 0

    def lost(self, history: Mapping[str, RunInfo]) -> int:
        """How many submitted runs have no outcome, or not theirs."""
        return sum(not _is_right(history.get(run_id), n) for n, run_id in self.runs.items())


async def submit_all(client: AsyncClient, plan: Plan, ledger: Ledger) -> None:
    """Submit the tasks, a few at once, each until it is accepted; its key makes sure that it is so once."""
    numbers = iter(range(plan.tasks))

    async def submit_some() -> None:
        for n in numbers:
            ledger.runs[n] = await _submitted(client, plan, n)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(submit_some())


async def _submitted(client: AsyncClient, plan: Plan, n: int) -> str:
    for tried in range(1, _TRIES + 1):
        try:
            handle = await client.submit(
                FUNCTION, {"n": n, "sleepS": plan.sleep_s(n)}, idempotency_key=f"rehearsal-{n}"
            )
        except (PlatformError, ConnectionFailed):
            if tried == _TRIES:
                raise
            await asyncio.sleep(0.5 * tried)
        else:
            return handle.run_id
    raise AssertionError


class Nemesis:
    """Breaks things when enough is done."""

    def __init__(self, group: Group, redis: RedisServer, tell: Callable[[str], None], plan: Plan) -> None:
        """`tell` hears what it does."""
        self._group = group
        self._redis = redis
        self._tell = tell
        self._plan = plan

    async def act(self, sample: Sample, ledger: Ledger) -> None:
        """Do what is due, once each."""
        if not ledger.killed_workers and sample.done >= _KILL_AT * self._plan.tasks and sample.workers > 1:
            ledger.killed_workers += 1
            victim = self._group.in_service[0]
            self._tell(f"SIGKILL of worker {victim.instance_id}")
            victim.process.kill()
        if not ledger.redis_restarts and sample.done >= _RESTART_AT * self._plan.tasks:
            ledger.redis_restarts += 1
            self._tell("SIGKILL of Redis")
            await self._redis.kill()
            await asyncio.sleep(1.0)
            await self._redis.start()
            self._tell("Redis is back, and empty")


class Gauge:
    """Reads how it stands."""

    def __init__(
        self, depth: Callable[[], Awaitable[Depth]], group: Group, ledger: Ledger, now: Callable[[], float]
    ) -> None:
        """`now` tells the seconds since the first task."""
        self._depth = depth
        self._group = group
        self._ledger = ledger
        self._now = now

    async def read(self) -> Sample:
        """How it stands now."""
        depth = await self._depth()
        return Sample(
            at_s=self._now(),
            submitted=len(self._ledger.runs),
            visible=depth.visible,
            in_flight=depth.in_flight,
            workers=len(self._group.in_service),
            draining=sum(member.state is State.WAITING for member in self._group.members.values()),
        )


async def history_of(client: AsyncClient) -> dict[str, RunInfo]:
    """Every run of the function, as the API tells it."""
    return {run.run_id: run async for run in client.runs(function=FUNCTION)}


def _is_right(run: RunInfo | None, n: int) -> bool:
    return run is not None and run.status is RunStatus.SUCCEEDED and run.output == {"n": n, "double": 2 * n}
