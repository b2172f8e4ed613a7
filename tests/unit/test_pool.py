"""The pool: who gets which sandbox, what is started for it, and what has to go."""

import asyncio

import pytest
from prometheus_client import generate_latest

from nanogrid.errors import CodeNotFound, SandboxBroken, SandboxUnavailable
from nanogrid.model import ErrorKind, Network, RunError
from nanogrid.ports import Claim
from nanogrid.sandbox.demand import MOST_SPARES
from open_pool import function, opened

INIT_FAILED = RunError(kind=ErrorKind.INIT_FAILED, type="ImportError", message="no module named x")


# Warm, spare, new


async def test_a_released_sandbox_is_used_again():
    async with opened() as box:
        first = await box.claim(function())
        box.pool.release(first)
        second = await box.claim(function())

        assert second.sandbox is first.sandbox
        assert (first.cold, second.cold, second.init_ms) == (True, False, 0.0)


async def test_a_warm_sandbox_is_taken_without_suspension():
    async with opened() as box:
        box.pool.release(await box.claim(function()))
        taking = box.pool.acquire(function())

        with pytest.raises(StopIteration) as taken:
            taking.send(None)
        assert isinstance(taken.value.value, Claim)


async def test_the_sandbox_used_last_is_used_first():
    async with opened() as box:
        claims = [await box.claim(function()) for _ in range(3)]
        for claim in claims:
            box.pool.release(claim)
        again = await box.claim(function())

        assert again.sandbox is claims[-1].sandbox


async def test_a_sandbox_never_changes_its_version_or_function():
    async with opened() as box:
        box.pool.release(await box.claim(function("a", 1)))
        others = [await box.claim(wanted) for wanted in (function("a", 2), function("b", 1))]

        assert [claim.cold for claim in others] == [True, True]


async def test_a_spare_is_claimed_before_a_new_one_is_started():
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        (spare,) = box.driver.made
        claim = await box.claim(function())

        assert claim.sandbox is spare
        assert claim.cold


@pytest.mark.parametrize("settings", [{"runtime": "nodejs"}, {"network": Network.OUTBOUND}])
async def test_a_spare_of_another_kind_is_left_alone(settings: dict):
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        claim = await box.claim(function(**settings))

        assert claim.sandbox is not box.driver.made[0]
        assert box.census["spare"] == 1


async def test_a_spare_is_replaced_once_the_run_that_took_it_is_over():
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        claim = await box.claim(function())
        await box.rest()
        while_running = box.census
        box.pool.release(claim)
        await box.rest()

        assert while_running == {"busy": 1}
        assert box.census == {"warm": 1, "spare": 1}


async def test_a_spare_is_replaced_under_a_long_run_too():
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        await box.claim(function())
        await box.pass_time(1)

        assert box.census == {"busy": 1, "spare": 1}


async def test_spares_are_kept_for_the_kinds_that_were_called_for_lately():
    async with opened(spares=2) as box:
        box.pool.release(await box.claim(function(runtime="nodejs", idle_ttl_ms=1000)))
        await box.pass_time(2)
        lately = box.census
        await box.pass_time(600)

        assert lately == {"spare": 2}
        assert box.census == {}


async def test_a_spare_that_died_is_replaced():
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        box.driver.made[0].die()
        await box.pass_time(1)

        assert [sandbox.alive for sandbox in box.driver.made] == [False, True]


async def test_a_dead_spare_is_passed_over():
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        box.driver.made[0].die()
        claim = await box.claim(function())

        assert claim.sandbox is not box.driver.made[0]


async def test_a_spare_that_cannot_be_started_is_tried_again_later():
    async with opened(spares=1) as box:
        box.driver.create_errors.extend([None, SandboxUnavailable("no more processes")])
        box.pool.release(await box.claim(function()))
        await box.pass_time(9)
        early = box.census
        await box.pass_time(3)

        assert early == {"warm": 1}
        assert box.census == {"warm": 1, "spare": 1}
        assert box.errors.getvalue().count("pool.spare_failed") == 1


async def test_a_spare_that_fails_makes_way_for_who_waits():
    async with opened(spares=1, starting_at_once=1) as box:
        box.driver.create_errors.extend([None, SandboxUnavailable("no more processes")])
        claim = await box.claim(function())
        box.driver.gates["create"].clear()
        box.pool.release(claim)
        waiting = box.ask(function("b"))
        await box.rest()
        box.driver.gates["create"].set()

        assert await waiting


# What comes back


async def test_a_sandbox_in_doubt_is_ended():
    async with opened() as box:
        claim = await box.claim(function())
        claim.sandbox.die()
        box.pool.release(claim)
        await box.rest()

        assert box.driver.living == []
        assert box.census == {}


async def test_a_sandbox_that_died_while_it_idled_is_not_given_out():
    async with opened() as box:
        claim = await box.claim(function())
        box.pool.release(claim)
        claim.sandbox.die()
        again = await box.claim(function())

        assert again.sandbox is not claim.sandbox
        assert again.cold


async def test_a_claim_released_twice_does_not_free_the_next_ones_sandbox():
    async with opened() as box:
        first = await box.claim(function())
        box.pool.release(first)
        second = await box.claim(function())
        box.pool.release(first)
        third = await box.claim(function())

        assert second.sandbox is not third.sandbox


async def test_a_sandbox_idles_no_longer_than_its_function_says():
    async with opened() as box:
        claims = [await box.claim(function(name, idle_ttl_ms=ttl)) for name, ttl in (("a", 5000), ("b", 60_000))]
        for claim in claims:
            box.pool.release(claim)
        await box.pass_time(6)

        assert [claim.sandbox.killed for claim in claims] == [True, False]


async def test_without_idle_time_a_sandbox_is_used_once():
    async with opened() as box:
        box.pool.release(await box.claim(function(idle_ttl_ms=0)))
        await box.rest()

        assert box.driver.living == []


# Failures


async def test_an_import_that_fails_is_answered_with_its_error():
    async with opened() as box:
        box.driver.load_results.append(INIT_FAILED)
        answer = await box.pool.acquire(function())
        await box.rest()

        assert answer == INIT_FAILED
        assert box.driver.living == []


@pytest.mark.parametrize("error", [CodeNotFound("gone"), SandboxBroken("odd"), RuntimeError("a fault of ours")])
async def test_whatever_keeps_a_sandbox_from_loading_reaches_the_caller(error: Exception):
    async with opened() as box:
        box.driver.load_results.append(error)

        with pytest.raises(type(error)):
            await box.pool.acquire(function())
        await box.rest()
        assert box.driver.living == []


async def test_a_machine_without_sandboxes_says_so_to_each_caller():
    async with opened() as box:
        box.driver.create_errors.extend([SandboxUnavailable("no user namespaces")] * 3)
        answers = await asyncio.gather(*(box.ask(function()) for _ in range(3)), return_exceptions=True)

        assert [type(answer) for answer in answers] == [SandboxUnavailable] * 3
        assert box.census == {}


async def test_one_failure_is_one_callers_and_the_others_are_served():
    async with opened() as box:
        box.driver.load_results.append(INIT_FAILED)
        answers = await asyncio.gather(*(box.ask(function()) for _ in range(3)))

        assert [isinstance(answer, Claim) for answer in answers].count(True) == 2
        assert INIT_FAILED in answers


# Bursts


async def test_no_more_than_so_many_start_at_once():
    async with opened(starting_at_once=3) as box:
        await asyncio.gather(*(box.claim(function()) for _ in range(20)))

        assert box.driver.most_creating == 3
        assert box.census == {"busy": 20}


async def test_a_burst_of_short_runs_does_not_start_a_sandbox_for_each():
    async with opened(starting_at_once=2) as box:

        async def short_run() -> None:
            box.pool.release(await box.claim(function()))

        await short_run()
        box.driver.gates["create"].clear()
        await asyncio.gather(*(short_run() for _ in range(100)))
        box.driver.gates["create"].set()
        await box.rest()

        assert len(box.driver.made) <= 3


async def test_a_waiter_takes_what_is_released_and_its_own_becomes_warm():
    async with opened() as box:
        first = await box.claim(function())
        box.driver.gates["create"].clear()
        waiting = box.ask(function())
        await box.rest()
        box.pool.release(first)
        second = await waiting
        box.driver.gates["create"].set()
        await box.rest()

        assert second.sandbox is first.sandbox
        assert box.census == {"busy": 1, "warm": 1}


async def test_the_time_of_a_cold_start_is_told():
    async with opened() as box:
        box.driver.gates["load"].clear()
        waiting = box.ask(function())
        await box.rest()
        await box.clock.advance(0.25)
        box.driver.gates["load"].set()
        claim = await waiting

        assert (claim.cold, claim.init_ms) == (True, 250.0)


# Limits


async def test_a_function_runs_no_more_often_at_once_than_its_limit():
    async with opened() as box:
        limited = function(concurrency=2)
        claims = [await box.claim(limited) for _ in range(2)]
        third = box.ask(limited)
        await box.rest()
        waited = not third.done()
        box.pool.release(claims[0])

        assert waited
        assert (await third).sandbox is claims[0].sandbox
        assert len(box.driver.made) == 2


async def test_all_versions_of_a_function_share_its_limit():
    async with opened() as box:
        old = await box.claim(function("a", 1, concurrency=1))
        newer = box.ask(function("a", 2, concurrency=1))
        await box.rest()
        waited = not newer.done()
        box.pool.release(old)

        assert waited
        assert (await newer).sandbox is not old.sandbox


async def test_a_warm_sandbox_does_not_lift_the_limit():
    async with opened() as box:
        old = await box.claim(function("a", 1, concurrency=1))
        box.pool.release(old)
        newer = await box.claim(function("a", 2, concurrency=1))
        again = box.ask(function("a", 1, concurrency=1))
        await box.rest()
        waited = not again.done()
        box.pool.release(newer)

        assert waited
        assert (await again).sandbox is old.sandbox


async def test_a_limited_function_does_not_hold_up_others():
    async with opened() as box:
        await box.claim(function("a", concurrency=1))
        box.ask(function("a", concurrency=1))
        await box.rest()

        assert await box.claim(function("b"))


async def test_the_longest_idle_goes_when_there_is_no_room():
    async with opened(max_sandboxes=3) as box:
        claims = {name: await box.claim(function(name)) for name in "abc"}
        for name in "bac":
            await box.clock.advance(0.1)
            box.pool.release(claims[name])
        await box.claim(function("d"))

        assert [name for name in "abc" if claims[name].sandbox.killed] == ["b"]


async def test_versions_that_have_a_successor_go_first():
    async with opened(max_sandboxes=3) as box:
        claims = [await box.claim(f) for f in (function("b"), function("a", 1), function("a", 2))]
        for claim in claims:
            await box.clock.advance(0.1)
            box.pool.release(claim)
        await box.claim(function("c"))

        assert [claim.sandbox.killed for claim in claims] == [False, True, False]


async def test_spares_go_last():
    async with opened(max_sandboxes=2, spares=1, runtimes=["nodejs"]) as box:
        first = await box.claim(function("a"))
        box.pool.release(first)
        second = await box.claim(function("b"))
        kept = box.census
        third = await box.claim(function("c"))

        assert kept == {"busy": 1, "spare": 1}
        assert first.sandbox.killed
        assert box.census == {"busy": 2}
        assert second.sandbox is not third.sandbox


async def test_a_successor_starts_only_when_the_evicted_is_gone():
    async with opened(max_sandboxes=1) as box:
        box.pool.release(await box.claim(function("a")))
        box.driver.gates["kill"].clear()
        waiting = box.ask(function("b"))
        await box.rest()
        started_early = len(box.driver.made) > 1
        box.driver.gates["kill"].set()
        await waiting

        assert not started_early
        assert len(box.driver.living) == 1


async def test_a_spare_is_never_started_in_anothers_place():
    async with opened(max_sandboxes=1, spares=1, runtimes=["nodejs"]) as box:
        box.pool.release(await box.claim(function("a")))
        await box.pass_time(5)

        assert box.census == {"warm": 1}


async def test_memory_counts_as_measured():
    async with opened(budget_mb=90) as box:
        box.driver.mb = 40.0
        await asyncio.gather(*(box.claim(function(name)) for name in "ab"))
        third = box.ask(function("c"))
        await box.rest()
        waited = not third.done()
        box.driver.made[0].mb = 20.0
        await box.pass_time(1)

        assert waited
        assert third.done()


async def test_sandboxes_that_grew_over_the_budget_are_ended_while_they_idle():
    async with opened(budget_mb=100) as box:
        claims = [await box.claim(function(name)) for name in "ab"]
        for claim in claims:
            box.pool.release(claim)
        claims[1].sandbox.mb = 95.0
        await box.pass_time(1)

        assert [claim.sandbox.killed for claim in claims] == [True, False]


async def test_one_sandbox_may_start_however_small_the_budget():
    async with opened(budget_mb=1) as box:
        first = await box.claim(function("a"))
        second = box.ask(function("b"))
        await box.rest()
        waited = not second.done()
        box.pool.release(first)
        await second

        assert waited


async def test_who_waits_for_room_is_served_in_order():
    async with opened(max_sandboxes=1) as box:
        order: list[str] = []

        async def run(name: str) -> None:
            claim = await box.claim(function(name))
            order.append(name)
            box.pool.release(claim)

        held = await box.claim(function("held"))
        runs = []
        for name in "abcd":
            runs.append(asyncio.create_task(run(name)))
            await box.rest()
        box.pool.release(held)
        await asyncio.gather(*runs)

        assert order == ["a", "b", "c", "d"]


async def test_a_busy_function_keeps_its_sandbox_only_for_so_long():
    async with opened(max_sandboxes=1) as box:
        held = await box.claim(function("busy"))
        other, more = box.ask(function("other")), [box.ask(function("busy")) for _ in range(2)]
        await box.rest()
        box.pool.release(held)
        kept = await more[0]
        await box.clock.advance(0.3)
        box.pool.release(kept)
        changed_hands = await other

        assert kept.sandbox is held.sandbox
        assert changed_hands.sandbox is not held.sandbox
        assert not more[1].done()
        more[1].cancel()


# Cancellation and the end


async def test_a_cancelled_caller_leaves_a_warm_sandbox_behind():
    async with opened() as box:
        box.driver.gates["load"].clear()
        waiting = box.ask(function())
        await box.rest()
        waiting.cancel()
        await box.rest()
        box.driver.gates["load"].set()
        await box.rest()

        assert box.census == {"warm": 1}


async def test_a_caller_cancelled_in_the_moment_it_is_served_gives_back():
    async with opened(max_sandboxes=1) as box:
        held = await box.claim(function())
        waiting = box.ask(function())
        await box.rest()
        box.pool.release(held)
        waiting.cancel()
        await box.rest()

        assert box.census == {"warm": 1}


async def test_a_cancelled_caller_does_not_hold_up_the_next():
    async with opened(max_sandboxes=1) as box:
        held = await box.claim(function())
        first, second = box.ask(function("b")), box.ask(function("c"))
        await box.rest()
        first.cancel()
        box.pool.release(held)

        assert await second


async def test_close_answers_everybody_and_ends_everything():
    async with opened(max_sandboxes=2) as box:
        box.pool.release(await box.claim(function("warm")))
        await box.claim(function("busy"))
        box.driver.gates["create"].clear()
        starting, waiting = box.ask(function("starting")), box.ask(function("waiting"))
        await box.rest()
        closing = asyncio.create_task(box.pool.close())
        await box.rest()
        box.driver.gates["create"].set()
        await closing
        answers = await asyncio.gather(starting, waiting, return_exceptions=True)

        assert [type(answer) for answer in answers] == [SandboxUnavailable] * 2
        assert box.driver.living == []
        assert box.census == {}


async def test_a_closed_pool_starts_nothing():
    async with opened() as box:
        await box.pool.close()

        with pytest.raises(SandboxUnavailable, match="stopping"):
            await box.pool.acquire(function())
        assert box.driver.made == []


async def test_a_sandbox_released_after_the_end_is_ignored():
    async with opened() as box:
        claim = await box.claim(function())
        await box.pool.close()
        box.pool.release(claim)

        assert box.census == {}


async def test_a_sandbox_that_cannot_be_killed_does_not_take_its_room_along():
    async with opened(max_sandboxes=1) as box:
        claim = await box.claim(function("a"))
        claim.sandbox.kill = _refuse_to_die
        claim.sandbox.die()
        box.pool.release(claim)
        other = await box.claim(function("b"))

        assert other.cold
        assert "pool.kill_failed" in box.errors.getvalue()
        claim.sandbox.killed = True


async def _refuse_to_die() -> None:
    raise OSError("stuck in the kernel")


async def test_the_numbers_of_sandboxes_are_counted_when_they_are_read():
    async with opened(spares=2, runtimes=["nodejs"]) as box:
        await box.claim(function())
        text = generate_latest(box.metrics.registry).decode()

        assert 'nanogrid_sandboxes{state="busy"} 1.0' in text
        assert 'nanogrid_sandboxes{state="spare"} 2.0' in text


async def test_nothing_is_remembered_of_functions_that_are_gone():
    async with opened() as box:
        for number in range(50):
            box.pool.release(await box.claim(function(f"f{number}", idle_ttl_ms=1000)))
        await box.pass_time(2)
        ledger = box.pool._inventory._ledger

        assert (ledger.shelves, ledger.quotas, ledger.residents, ledger.budget.mb) == ({}, {}, {}, 0.0)


# How many spares


async def test_after_a_burst_as_many_spares_are_kept_as_it_asked_for():
    async with opened(spares=2, runtimes=["python3.11"]) as box:
        claims = await asyncio.gather(*(box.claim(function(name)) for name in "abcdef"))
        for claim in claims:
            box.pool.release(claim)
        await box.pass_time(1)

        assert box.census == {"warm": 6, "spare": 5}


async def test_spares_for_a_burst_go_when_none_comes_again():
    async with opened(spares=2, runtimes=["python3.11"]) as box:
        await asyncio.gather(*(box.claim(function(name)) for name in "abcdef"))
        await box.pass_time(120)

        assert box.census == {"busy": 6, "spare": 2}


async def test_calls_one_after_the_other_need_no_more_spares():
    async with opened(spares=2, runtimes=["python3.11"]) as box:
        for name in "abcdef":
            box.pool.release(await box.claim(function(name)))
            await box.pass_time(1)

        assert box.census == {"warm": 6, "spare": 2}


async def test_no_burst_raises_the_spares_above_their_most():
    async with opened(spares=1, runtimes=["python3.11"]) as box:
        await asyncio.gather(*(box.claim(function(f"f{number}")) for number in range(40)))
        await box.pass_time(5)

        assert box.census["spare"] <= MOST_SPARES


async def test_where_no_spares_are_wanted_a_burst_leaves_none():
    async with opened(spares=0, runtimes=["python3.11"]) as box:
        await asyncio.gather(*(box.claim(function(name)) for name in "abcdef"))
        await box.pass_time(2)

        assert "spare" not in box.census
