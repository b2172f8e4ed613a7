"""An EC2 instance for tests: its metadata service and its Auto Scaling group, served for real over HTTP on loopback."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from clocks import ManualClock
from nanogrid.cloud.rehearsal.front import Front, open_front
from nanogrid.cloud.rehearsal.group import Group, Happening, Member
from nanogrid.cloud.worker.instance import Instance
from nanogrid.cloud.worker.place import open_instance
from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.observe import make_log
from waiting import until


class IdleProcess:
    """Runs until it is killed."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        return 0

    def kill(self) -> None:
        self._ended.set()


async def launch(_: str) -> IdleProcess:
    return IdleProcess()


class Played(NamedTuple):
    """One instance, as the test and as the worker see it."""

    group: Group
    front: Front
    member: Member
    instance: Instance
    #: The group's time, and the worker's own.
    group_clock: ManualClock
    clock: ManualClock
    happenings: list[Happening]

    async def turn_until_done(self, task: asyncio.Task[object], *, sleepers: int = 1, step_s: float = 0.5) -> float:
        """Turn the worker's clock, whenever so many of its loops sleep, until the task is done; how long that took."""
        before = self.clock.monotonic()
        while not task.done():
            await until(lambda: self.clock.sleepers >= sleepers or task.done())
            if not task.done():
                await self.clock.advance(step_s)
        return self.clock.monotonic() - before


@asynccontextmanager
async def played_instance() -> AsyncIterator[Played]:
    """A group of one instance, on clocks that the test turns."""
    group_clock, clock, happenings = ManualClock(), ManualClock(), []
    group = Group(launch, group_clock, happenings.append, hook_s=300)
    async with open_front(group, "ap-northeast-2") as (front, url):
        environ = {
            "AWS_ENDPOINT_URL_AUTO_SCALING": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        running = asyncio.create_task(group.run())
        await until(lambda: bool(group.members))
        member = group.in_service[0]
        settings = InstanceSettings(metadata_url=f"{url}/{member.instance_id}")
        async with open_instance(settings, clock, make_log("json", io.StringIO()), environ=environ) as instance:
            assert instance is not None
            yield Played(group, front, member, instance, group_clock, clock, happenings)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
