"""The promises of `TaskQueue`."""

import asyncio
from collections import Counter

import pytest
from msgspec import Raw

from nanogrid.errors import BacklogFull, LeaseLost
from nanogrid.identifiers import new_function_id
from nanogrid.model import Depth, Place
from records import some_function, some_run, some_task

both = pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])


async def received(backend, limit=10):
    """What can be received at once."""
    return await backend.task_queue.receive(limit=limit, wait_s=0)


async def leased(backend, task=None, *, durable=False):
    """The lease of a task that has just been sent."""
    await backend.task_queue.send(task or some_task(), durable=durable)
    (lease,) = await received(backend)
    return lease


@both
async def test_a_task_is_received_as_it_was_sent(bench, durable):
    task = some_task(input=Raw(b'{"a": 1.0}'), concurrency=3)
    async with bench.open() as backend:
        lease = await leased(backend, task, durable=durable)

    assert lease.task == task
    assert (lease.attempt, lease.failures) == (1, 0)


async def test_an_empty_queue_gives_an_empty_list(bench):
    async with bench.open() as backend:
        assert await received(backend) == []


async def test_a_function_s_tasks_come_in_the_order_they_were_sent(bench):
    tasks = [some_task() for _ in range(5)]
    async with bench.open() as backend:
        for task in tasks:
            await backend.task_queue.send(task, durable=False)
        leases = await received(backend, limit=3) + await received(backend)

    assert [lease.task for lease in leases] == tasks


async def test_receive_gives_no_more_than_its_limit(bench):
    async with bench.open() as backend:
        for _ in range(3):
            await backend.task_queue.send(some_task(), durable=False)

        assert [len(await received(backend, limit=2)) for _ in range(3)] == [2, 1, 0]


async def test_a_leased_task_is_given_to_nobody_else(bench):
    async with bench.open() as backend:
        await leased(backend)

        assert await received(backend) == []


# Waiting


@both
async def test_a_waiting_receive_gets_what_is_sent(bench, durable):
    task = some_task()
    async with bench.open() as backend:
        receiving = asyncio.create_task(backend.task_queue.receive(limit=10, wait_s=20))
        await asyncio.sleep(0)
        await backend.task_queue.send(task, durable=durable)
        (lease,) = await receiving

    assert lease.task == task


async def test_each_of_several_who_wait_gets_one_task(bench):
    tasks = [some_task() for _ in range(3)]
    async with bench.open() as backend:
        waiting = [asyncio.create_task(backend.task_queue.receive(limit=1, wait_s=20)) for _ in tasks]
        await asyncio.sleep(0)
        for task in tasks:
            await backend.task_queue.send(task, durable=False)
        received_by = await asyncio.gather(*waiting)

    assert {leases[0].task.run_id for leases in received_by} == {task.run_id for task in tasks}


async def test_receive_gives_up_when_its_wait_is_over(bench):
    async with bench.open() as backend:
        receiving = asyncio.create_task(backend.task_queue.receive(limit=1, wait_s=5))
        await bench.pass_time(4)
        waited = not receiving.done()
        await bench.pass_time(2)

        assert (waited, await receiving) == (True, [])


async def test_a_cancelled_receive_loses_no_task(bench):
    async with bench.open() as backend:
        for turns in range(6):
            receiving = asyncio.create_task(backend.task_queue.receive(limit=1, wait_s=20))
            await asyncio.sleep(0)
            await backend.task_queue.send(some_task(), durable=False)
            for _ in range(turns):
                await asyncio.sleep(0)
            receiving.cancel()
            (result,) = await asyncio.gather(receiving, return_exceptions=True)
            leases = [] if isinstance(result, asyncio.CancelledError) else result
            leases += await received(backend)

            assert len(leases) == 1


async def test_a_task_meant_for_a_cancelled_receive_goes_to_the_next_who_waits(bench):
    async with bench.open() as backend:
        first, second = (asyncio.create_task(backend.task_queue.receive(limit=1, wait_s=20)) for _ in range(2))
        await asyncio.sleep(0)
        await backend.task_queue.send(some_task(), durable=False)
        first.cancel()
        leases = await second

    assert len(leases) == 1


# Leases


@both
async def test_an_acknowledged_task_is_gone(bench, durable):
    async with bench.open() as backend:
        await backend.task_queue.ack(await leased(backend, durable=durable))
        await bench.pass_time(backend.task_queue.lease_s * 2)

        assert await received(backend) == []
        assert await backend.task_queue.depth() == Depth(visible=0, in_flight=0)


@both
async def test_a_lease_that_is_not_extended_comes_back_with_a_failure_more(bench, durable):
    async with bench.open() as backend:
        first = await leased(backend, durable=durable)
        await bench.pass_time(backend.task_queue.lease_s + 1)
        (second,) = await received(backend)

    assert second.task == first.task
    assert second.receipt != first.receipt
    assert (second.attempt, second.failures) == (2, 1)


async def test_a_lease_that_runs_out_wakes_who_waits(bench):
    async with bench.open() as backend:
        first = await leased(backend)
        receiving = asyncio.create_task(backend.task_queue.receive(limit=1, wait_s=1_000))
        await bench.pass_time(backend.task_queue.lease_s + 1)
        (second,) = await receiving

    assert second.task == first.task


async def test_an_extended_lease_is_held_for_its_full_time_again(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        for _ in range(5):
            await bench.pass_time(backend.task_queue.lease_s * 0.8)
            await backend.task_queue.extend(lease)
        held = await received(backend)
        await bench.pass_time(backend.task_queue.lease_s + 1)

        assert (held, len(await received(backend))) == ([], 1)


async def test_extending_one_lease_does_not_hold_another(bench):
    async with bench.open() as backend:
        extended, left = await leased(backend), await leased(backend)
        await bench.pass_time(backend.task_queue.lease_s * 0.8)
        await backend.task_queue.extend(extended)
        await bench.pass_time(backend.task_queue.lease_s * 0.8)
        (back,) = await received(backend)

    assert back.task == left.task


@pytest.mark.parametrize("act", ["ack", "extend", "release", "bury"])
async def test_a_stale_receipt_takes_nothing_from_who_holds_the_task_now(bench, act):
    async with bench.open() as backend:
        queue = backend.task_queue
        stale = await leased(backend)
        await bench.pass_time(queue.lease_s + 1)
        (current,) = await received(backend)
        with pytest.raises(LeaseLost):
            await {
                "ack": lambda: queue.ack(stale),
                "extend": lambda: queue.extend(stale),
                "release": lambda: queue.release(stale, failed=True),
                "bury": lambda: backend.dead_letters.bury(stale, "late"),
            }[act]()
        await queue.extend(current)
        letters = await backend.dead_letters.list_letters(limit=10)

        assert await received(backend) == []
        assert letters.items == []


@both
@pytest.mark.parametrize(("failed", "failures"), [(True, 1), (False, 0)])
async def test_a_released_task_can_be_received_at_once(bench, durable, failed, failures):
    async with bench.open() as backend:
        first = await leased(backend, durable=durable)
        await backend.task_queue.release(first, failed=failed)
        with pytest.raises(LeaseLost):
            await backend.task_queue.ack(first)
        (second,) = await received(backend)

    assert (second.task, second.attempt, second.failures) == (first.task, 2, failures)


@both
async def test_a_task_with_a_delay_cannot_be_received_before(bench, durable):
    async with bench.open() as backend:
        await backend.task_queue.send(some_task(), durable=durable, delay_s=10)
        await bench.pass_time(9)
        early = await received(backend)
        await bench.pass_time(2)

        assert (early, len(await received(backend))) == ([], 1)


async def test_a_task_released_with_a_delay_wakes_who_waits_when_it_is_over(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        await backend.task_queue.release(lease, delay_s=60, failed=False)
        receiving = asyncio.create_task(backend.task_queue.receive(limit=1, wait_s=1_000))
        await bench.pass_time(59)
        early = receiving.done()
        await bench.pass_time(2)
        (again,) = await receiving

    assert (early, again.task) == (False, lease.task)


async def test_failures_add_up_whatever_their_kind(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        for failed in (True, False, None, True):
            if failed is None:
                await bench.pass_time(backend.task_queue.lease_s + 1)
            else:
                await backend.task_queue.release(lease, failed=failed)
            (lease,) = await received(backend)

    assert (lease.attempt, lease.failures) == (5, 3)


async def lost_with_its_worker(bench, run, *, begun):
    """Let the worker die that holds the run's task; what is found then, and as how many failures that counts."""
    async with bench.open() as backend:
        (lease,) = await received(backend)
        if begun:
            await backend.run_store.start(run.run_id, lease.attempt)
        await backend.run_store.persist(run.run_id)
        # A commit that begins later than the notes has them.
        await backend.registry.create(some_function(f"later-{lease.attempt}"))
        after = bench.crashed()
    await after.pass_time(backend.task_queue.lease_s + 1)
    async with after.open() as backend:
        (lease,) = await received(backend)
        await backend.task_queue.release(lease, failed=False)
    return after, lease.failures


async def test_a_lost_worker_counts_only_against_the_tasks_whose_attempt_had_begun(bench):
    run, failures = some_run(), []
    async with bench.open() as backend:
        await backend.run_store.accept(run, durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
    for begun in (False, True, False, False, True):
        bench, counted = await lost_with_its_worker(bench, run, begun=begun)
        failures.append(counted)

    assert failures == [0, 1, 1, 1, 2]


# Depth and backlog


async def test_depth_tells_what_waits_and_what_is_leased(bench):
    async with bench.open() as backend:
        for delay_s in (0, 0, 0, 60):
            await backend.task_queue.send(some_task(), durable=False, delay_s=delay_s)
        await received(backend, limit=1)

        assert await backend.task_queue.depth() == Depth(visible=3, in_flight=1)


@both
async def test_a_full_backlog_refuses_and_keeps_what_it_has(bench, durable):
    async with bench.open(max_backlog=2) as backend:
        for _ in range(2):
            await backend.task_queue.send(some_task(), durable=durable)
        with pytest.raises(BacklogFull) as refusal:
            await backend.task_queue.send(some_task(), durable=durable)
        await received(backend, limit=1)
        await backend.task_queue.send(some_task(), durable=durable)

        assert refusal.value.retry_after_s >= 1
        assert await backend.task_queue.depth() == Depth(visible=2, in_flight=1)


# Fairness


async def test_one_function_s_million_tasks_do_not_delay_another_s_single_one(bench):
    if bench.unfair:
        pytest.skip(bench.unfair)
    crowd, single = some_task(new_function_id()), some_task(new_function_id())
    async with bench.open() as backend:
        for _ in range(1_000):
            await backend.task_queue.send(some_task(crowd.function_id), durable=False)
        await backend.task_queue.send(single, durable=False)
        leases = await received(backend, limit=2)

    assert single in [lease.task for lease in leases]


async def test_functions_take_turns(bench):
    if bench.unfair:
        pytest.skip(bench.unfair)
    ids = [new_function_id() for _ in range(3)]
    async with bench.open() as backend:
        for function_id in ids:
            for _ in range(20):
                await backend.task_queue.send(some_task(function_id), durable=False)
        leases = await received(backend, limit=15)

    assert Counter(lease.task.function_id for lease in leases) == dict.fromkeys(ids, 5)


async def test_a_function_never_has_more_tasks_leased_than_its_limit(bench):
    limited, free = new_function_id(), new_function_id()
    async with bench.open() as backend:
        for _ in range(5):
            await backend.task_queue.send(some_task(limited, concurrency=2), durable=False)
            await backend.task_queue.send(some_task(free), durable=False)
        leases = await received(backend, limit=20)

    assert Counter(lease.task.function_id for lease in leases) == {limited: 2, free: 5}


@pytest.mark.parametrize("way", ["ack", "release", "expiry", "bury"])
async def test_the_end_of_one_run_wakes_who_waits_for_the_next_of_a_limited_function(bench, way):
    function_id = new_function_id()
    async with bench.open() as backend:
        queue = backend.task_queue
        for _ in range(2):
            await queue.send(some_task(function_id, concurrency=1), durable=False)
        (lease,) = await received(backend)
        receiving = asyncio.create_task(queue.receive(limit=1, wait_s=1_000))
        await asyncio.sleep(0)
        await {
            "ack": lambda: queue.ack(lease),
            "release": lambda: queue.release(lease, failed=False, delay_s=5),
            "expiry": lambda: bench.pass_time(queue.lease_s + 1),
            "bury": lambda: backend.dead_letters.bury(lease, "broken"),
        }[way]()
        leases = await receiving

    assert len(leases) == 1


# Crashes


async def test_a_durable_task_survives_a_crash(bench):
    task = some_task(input=Raw(b'"x"'), concurrency=7)
    async with bench.open() as backend:
        await backend.task_queue.send(task, durable=True)
        after = bench.crashed()
    async with after.open() as backend:
        (lease,) = await received(backend)

    assert (lease.task, lease.attempt, lease.failures) == (task, 1, 0)


async def test_thousands_of_durable_tasks_survive_a_crash(bench):
    tasks = [some_task() for _ in range(bench.many)]
    async with bench.open() as backend:
        await asyncio.gather(*(backend.task_queue.send(task, durable=True) for task in tasks))
        after = bench.crashed()
    async with after.open() as backend:
        leases = await received(backend, limit=2 * bench.many)

    assert {lease.task.run_id for lease in leases} == {task.run_id for task in tasks}


async def test_a_receipt_from_before_a_crash_fits_nothing(bench):
    async with bench.open() as backend:
        stale = await leased(backend, durable=True)
        after = bench.crashed()
    async with after.open() as backend:
        await received(backend)

        with pytest.raises(LeaseLost):
            await backend.task_queue.ack(stale)


# Where a task stands


async def standing(bench, backend, task):
    """Where it stands, where that can be told."""
    told = await backend.task_queue.standing(task.run_id)
    if bench.blind:
        assert told is None
        pytest.skip(bench.blind)
    return told


async def test_what_stands_ahead_of_a_task_is_what_is_taken_before_it(bench):
    functions = [new_function_id() for _ in range(4)]
    tasks = [some_task(functions[number % len(functions) % (1 + number % 3)]) for number in range(40)]
    async with bench.open() as backend:
        for task in tasks:
            await backend.task_queue.send(task, durable=False)
        told = {task.run_id: await standing(bench, backend, task) for task in tasks}
        leases = await received(backend, limit=len(tasks))

    order = [lease.task.run_id for lease in leases]
    assert {run_id: sum(ahead.tasks for ahead in one.ahead) for run_id, one in told.items()} == {
        run_id: place for place, run_id in enumerate(order)
    }
    assert {one.place for one in told.values()} == {Place.READY}


async def test_a_delayed_task_tells_when_it_is_due_a_leased_one_that_it_is_held(bench):
    delayed, held, waiting = some_task(), some_task(), some_task()
    async with bench.open() as backend:
        await backend.task_queue.send(held, durable=False)
        await received(backend)
        await backend.task_queue.send(delayed, durable=False, delay_s=30)
        await backend.task_queue.send(waiting, durable=False)
        told = [await standing(bench, backend, task) for task in (delayed, held, waiting)]

    assert [one.place for one in told] == [Place.DELAYED, Place.LEASED, Place.READY]
    assert told[0].due_in_s == pytest.approx(30, abs=1)
    assert {one.function_leased for one in told} == {1}


async def test_a_task_that_is_not_on_the_queue_stands_nowhere(bench):
    task = some_task()
    async with bench.open() as backend:
        await backend.task_queue.ack(await leased(backend, task))
        assert await backend.task_queue.standing(task.run_id) is None


async def test_tasks_of_a_function_that_is_at_its_limit_are_not_ahead(bench):
    busy, mine = new_function_id(), some_task(new_function_id())
    async with bench.open() as backend:
        for _ in range(3):
            await backend.task_queue.send(some_task(busy, concurrency=1), durable=False)
        await received(backend)
        await backend.task_queue.send(mine, durable=False)

        assert (await standing(bench, backend, mine)).ahead == []
