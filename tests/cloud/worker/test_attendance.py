"""A worker's time at work: it ends for a reason, with the time that the reason leaves, and nothing is cut off."""

import asyncio
import io
from datetime import timedelta

import pytest

from nanogrid.cloud.rehearsal.group import State
from nanogrid.cloud.worker.attendance import Attendance
from nanogrid.cloud.worker.departure import SCALE_IN_GRACE_S, Reason
from nanogrid.cloud.worker.instance import Instance
from nanogrid.observe import make_log
from played_instance import Played, played_instance
from waiting import until


class SomeWorker:
    """Works until cancelled; a drain lasts until the test lets it end, or is cut short."""

    def __init__(self) -> None:
        self.at_work = asyncio.Event()
        self.fails = asyncio.Event()
        self.finished = asyncio.Event()
        self.drains: list[float] = []

    async def run(self) -> None:
        self.at_work.set()
        await self.fails.wait()
        raise RuntimeError("a fault")

    async def drain(self, grace_s: float) -> int:
        self.drains.append(grace_s)
        await self.finished.wait()
        return 3


def attendance(worker: SomeWorker, stop: asyncio.Event, instance: Instance | None = None) -> Attendance:
    return Attendance(worker, instance, stop, make_log("json", io.StringIO()), grace_s=20)


async def leaving(played: Played, worker: SomeWorker, working: asyncio.Task[int]) -> None:
    """Turn the clock until the worker drains."""
    while not worker.drains:
        await until(lambda: played.clock.sleepers >= 2 or bool(worker.drains) or working.done())
        await played.clock.advance(1)


async def test_a_signal_ends_it_with_the_grace_of_the_settings():
    worker, stop = SomeWorker(), asyncio.Event()
    one = attendance(worker, stop)
    working = asyncio.create_task(one.run())
    await worker.at_work.wait()
    stop.set()
    worker.finished.set()

    assert await working == 3
    assert worker.drains == [20]
    assert one.leaving is not None
    assert one.leaving.reason is Reason.SIGNAL


async def test_a_worker_that_fails_is_not_drained_but_raises():
    worker = SomeWorker()
    worker.fails.set()
    with pytest.raises(RuntimeError, match="a fault"):
        await attendance(worker, asyncio.Event()).run()

    assert worker.drains == []


async def test_a_scale_in_waits_for_what_runs_and_then_lets_the_instance_go():
    worker = SomeWorker()
    async with played_instance() as played:
        working = asyncio.create_task(attendance(worker, asyncio.Event(), played.instance).run())
        await worker.at_work.wait()
        played.group.desired = 0
        await played.group_clock.advance(1)
        await leaving(played, worker, working)
        while_draining = played.member.state
        worker.finished.set()
        await working
        afterwards = played.member.state

    assert worker.drains == [SCALE_IN_GRACE_S]
    assert (while_draining, afterwards) == (State.WAITING, State.PROCEEDING)


async def test_a_spot_notice_hurries_a_scale_in():
    worker = SomeWorker()
    async with played_instance() as played:
        one = attendance(worker, asyncio.Event(), played.instance)
        working = asyncio.create_task(one.run())
        await worker.at_work.wait()
        played.group.desired = 0
        await played.group_clock.advance(1)
        await leaving(played, worker, working)
        played.member.spot_notice = played.clock.now() + timedelta(seconds=120)
        while len(worker.drains) < 2:
            await until(lambda: played.clock.sleepers >= 2 or len(worker.drains) > 1)
            await played.clock.advance(1)
        worker.finished.set()
        await working

    assert worker.drains[0] == SCALE_IN_GRACE_S
    assert worker.drains[1] <= 110
    assert one.leaving is not None
    assert one.leaving.reason is Reason.SPOT


async def test_a_signal_hurries_a_scale_in():
    worker, stop = SomeWorker(), asyncio.Event()
    async with played_instance() as played:
        working = asyncio.create_task(attendance(worker, stop, played.instance).run())
        await worker.at_work.wait()
        played.group.desired = 0
        await played.group_clock.advance(1)
        await leaving(played, worker, working)
        stop.set()
        await until(lambda: len(worker.drains) == 2)
        worker.finished.set()
        await working

    assert worker.drains == [SCALE_IN_GRACE_S, 20]
