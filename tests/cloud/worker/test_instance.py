"""What a worker hears from its instance, and says to its group: over HTTP, as on EC2."""

import asyncio
import io
from datetime import timedelta

from clocks import ManualClock
from nanogrid.cloud.rehearsal.group import State, What
from nanogrid.cloud.worker.departure import SCALE_IN_GRACE_S, Reason
from nanogrid.cloud.worker.place import open_instance
from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.observe import make_log
from played_instance import Played, played_instance
from waiting import until


async def scaled_in(played: Played) -> None:
    """The group chooses the instance."""
    played.group.desired = 0
    await played.group_clock.advance(1)
    assert played.member.state is State.WAITING


async def test_off_ec2_a_worker_has_no_instance():
    log = make_log("json", io.StringIO())
    nobody = InstanceSettings(metadata_url="http://127.0.0.1:9")
    silent = InstanceSettings(metadata_url="")
    async with (
        open_instance(nobody, ManualClock(), log, environ={}) as one,
        open_instance(silent, ManualClock(), log, environ={}) as other,
    ):
        assert (one, other) == (None, None)


async def test_a_scale_in_is_a_departure_with_time_for_the_longest_run():
    async with played_instance() as played:
        leaving = asyncio.create_task(played.instance.departure())
        await scaled_in(played)
        took = await played.turn_until_done(leaving, sleepers=2)

    assert leaving.result().reason is Reason.SCALE_IN
    assert leaving.result().grace_s == SCALE_IN_GRACE_S
    assert took <= 6


async def test_a_spot_notice_is_a_departure_within_six_seconds_that_is_over_before_the_instance_goes():
    async with played_instance() as played:
        leaving = asyncio.create_task(played.instance.departure())
        await until(lambda: played.clock.sleepers == 2)
        played.member.spot_notice = played.clock.now() + timedelta(seconds=120)
        took = await played.turn_until_done(leaving, sleepers=2)

    assert leaving.result().reason is Reason.SPOT
    assert took <= 6
    assert took + leaving.result().grace_s <= 110


async def test_a_spot_notice_seen_late_leaves_what_time_there_is():
    async with played_instance() as played:
        played.member.spot_notice = played.clock.now() + timedelta(seconds=30)
        soon = await played.instance.interruption()
        played.member.spot_notice = played.clock.now() - timedelta(seconds=30)
        at_once = await played.instance.interruption()

    assert (soon.grace_s, at_once.grace_s) == (20, 0)


async def test_a_token_that_the_service_has_forgotten_is_renewed():
    async with played_instance() as played:
        played.front.forget_tokens()
        played.member.spot_notice = played.clock.now() + timedelta(seconds=120)
        departure = await played.instance.interruption()

    assert departure.reason is Reason.SPOT


async def test_the_hook_waits_as_long_as_it_hears_from_the_worker():
    async with played_instance() as played:
        await scaled_in(played)
        holding = asyncio.create_task(played.instance.hold())
        for _ in range(10):
            await until(lambda: played.clock.sleepers == 1)
            await played.group_clock.advance(299)
            heard_until = played.member.until
            await played.clock.advance(10)
            await until(lambda heard_until=heard_until: played.member.until > heard_until)
        waiting = played.member.state
        holding.cancel()
        await played.group_clock.advance(400)
        ended = played.member.state

    assert waiting is State.WAITING
    assert ended is not State.WAITING
    assert What.TIMED_OUT in [happening.what for happening in played.happenings]


async def test_a_worker_that_is_done_lets_its_instance_go():
    async with played_instance() as played:
        await scaled_in(played)
        await played.instance.let_go()
        state = played.member.state

    assert state is State.PROCEEDING
    assert [happening.what for happening in played.happenings][:3] == [What.LAUNCHED, What.CHOSEN, What.COMPLETED]


async def test_a_group_that_does_not_wait_is_asked_a_few_times_and_no_more():
    async with played_instance() as played:
        letting_go = asyncio.create_task(played.instance.let_go())
        took = await played.turn_until_done(letting_go)

    assert letting_go.exception() is None
    assert took == 1 + 2 + 3 + 4 + 5
    assert [happening.what for happening in played.happenings] == [What.LAUNCHED]


async def test_a_busy_instance_is_protected_and_an_idle_one_is_not():
    busy = True
    async with played_instance() as played:
        protecting = asyncio.create_task(played.instance.protect_while(lambda: busy, idle_s=30))
        await until(lambda: played.member.protected)
        played.group.desired = 0
        await played.group_clock.advance(5)
        protected = played.member.state
        busy = False
        for _ in range(60):
            await until(lambda: played.clock.sleepers == 1 or not played.member.protected)
            await played.clock.advance(1)
        await until(lambda: not played.member.protected)
        await played.group_clock.advance(1)
        unprotected = played.member.state
        protecting.cancel()

    assert protected is State.IN_SERVICE
    assert unprotected is State.WAITING


async def test_protection_that_flickers_is_no_flood_of_calls():
    calls: list[bool] = []
    async with played_instance() as played:
        protect = played.group.protect

        def counted(instance_id: str, *, protected: bool) -> bool:
            calls.append(protected)
            return protect(instance_id, protected=protected)

        played.group.protect = counted
        looks = iter([True, False] * 60)
        protecting = asyncio.create_task(played.instance.protect_while(lambda: next(looks), idle_s=30))
        for _ in range(100):
            await until(lambda: played.clock.sleepers == 1)
            await played.clock.advance(1)
        protecting.cancel()

    assert calls == [True]
