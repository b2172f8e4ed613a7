"""The Auto Scaling group that the rehearsal plays: as AWS's own, as far as a worker can tell."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clocks import ManualClock
from nanogrid.cloud.rehearsal.alarms import Alarms, Pace
from nanogrid.cloud.rehearsal.group import Group, Happening, State, What
from played_instance import launch


@asynccontextmanager
async def group_of(desired: int) -> AsyncIterator[tuple[Group, ManualClock, list[Happening]]]:
    clock, happenings = ManualClock(), []
    group = Group(launch, clock, happenings.append, hook_s=30)
    group.desired = desired
    running = asyncio.create_task(group.run())
    await clock.advance(1)
    yield group, clock, happenings
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("by", "desired"), [(1, 3), (9, 5), (-1, 1), (-9, 1)])
async def test_capacity_stays_between_one_and_five(by, desired):
    async with group_of(2) as (group, clock, _):
        group.change(by)
        await clock.advance(1)

        assert len(group.in_service) == group.desired == desired


async def test_a_dead_instance_is_replaced():
    async with group_of(2) as (group, clock, happenings):
        dead = group.in_service[0]
        dead.process.kill()
        await clock.advance(1)
        instances = group.in_service

    assert len(instances) == 2
    assert dead not in instances
    assert [h.what for h in happenings] == [What.LAUNCHED, What.LAUNCHED, What.DIED, What.LAUNCHED]


async def test_the_oldest_goes_first_but_not_one_that_is_protected():
    async with group_of(3) as (group, clock, _):
        first, second, third = group.in_service
        group.protect(first.instance_id, protected=True)
        group.change(-1)
        await clock.advance(1)

        assert (first.state, second.state, third.state) == (State.IN_SERVICE, State.WAITING, State.IN_SERVICE)


async def test_a_silent_worker_is_given_up_when_its_hook_ends():
    async with group_of(2) as (group, clock, happenings):
        chosen = group.in_service[0]
        group.change(-1)
        await clock.advance(29)
        waiting = chosen.state
        await clock.advance(2)
        given_up = chosen.state

    assert (waiting, given_up) == (State.WAITING, State.TERMINATED)
    assert [h.what for h in happenings][2:] == [What.CHOSEN, What.TIMED_OUT, What.TERMINATED]


async def test_an_instance_that_is_done_has_time_to_shut_down_and_is_then_switched_off():
    async with group_of(2) as (group, clock, _):
        chosen = group.in_service[0]
        group.change(-1)
        await clock.advance(1)
        first, again = group.complete(chosen.instance_id), group.complete(chosen.instance_id)
        await clock.advance(10)
        shutting_down = chosen.state
        await clock.advance(15)
        off = chosen.state

    assert (first, again) == (True, False)
    assert (shutting_down, off) == (State.PROCEEDING, State.TERMINATED)


async def test_ten_waiting_tasks_call_a_worker_each_period_and_an_empty_queue_sends_one_home():
    backlog = iter([9, 10, 500, 3, 0, 0, 0, 1, 0])
    changes: list[int] = []
    clock = ManualClock()

    async def visible() -> int:
        return next(backlog)

    alarms = Alarms(visible, changes.append, clock, Pace(period_s=60, empty_periods=2))
    looking = asyncio.create_task(alarms.run())
    seen = []
    for _ in range(9):
        await clock.advance(60)
        seen.append(sum(changes))
    looking.cancel()

    assert seen == [0, 1, 2, 2, 2, 1, 0, 0, 0]
