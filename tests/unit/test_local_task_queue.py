"""What the local task queue promises beyond the port, and its rules under any order of events."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from clocks import ManualClock
from nanogrid.backends.lanes import Lanes, QueuedTask
from nanogrid.backends.local import open_local
from nanogrid.errors import BacklogFull
from nanogrid.model import Depth
from records import some_task

LEASE_S = 30.0


async def received(backend, limit=100):
    return await backend.task_queue.receive(limit=limit, wait_s=0)


# Crashes


async def test_a_task_that_kills_the_grid_five_times_is_known_by_its_failures(tmp_path):
    folder, failures = tmp_path / "0", []
    async with open_local(folder, ManualClock()) as backend:
        await backend.task_queue.send(some_task(), durable=True)
    for crash in range(1, 7):
        async with open_local(folder, ManualClock()) as backend:
            (lease,) = await received(backend)
            failures.append(lease.failures)
            # Nobody waits for the note of a lease to be on disk; but a commit that begins later has it.
            await backend.task_queue.send(some_task(), durable=True, delay_s=60)
            folder = Path(shutil.copytree(folder, tmp_path / str(crash)))
        async with open_local(folder, ManualClock()) as backend:
            await _drop_all_but(backend, lease.task)

    assert failures == [0, 1, 2, 3, 4, 5]


async def _drop_all_but(backend, kept):
    for lease in await received(backend):
        if lease.task == kept:
            await backend.task_queue.release(lease, failed=False)
        else:
            await backend.task_queue.ack(lease)


async def test_a_gentle_end_is_no_failure(tmp_path):
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.task_queue.send(some_task(), durable=True)
        (lease,) = await received(backend)
        await backend.task_queue.release(lease, failed=False)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        (lease,) = await received(backend)

    assert (lease.attempt, lease.failures) == (2, 0)


async def test_a_delay_ends_with_the_process(tmp_path):
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.task_queue.send(some_task(), durable=True, delay_s=60)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        assert len(await received(backend)) == 1


async def test_a_run_that_is_on_the_queue_is_not_put_there_twice(tmp_path):
    task = some_task()
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        for durable in (True, False):
            await backend.task_queue.send(task, durable=durable)
        (lease,) = await received(backend)
        await backend.task_queue.send(task, durable=True)
        depth = await backend.task_queue.depth()
        await backend.task_queue.ack(lease)

        assert depth == Depth(visible=0, in_flight=1)
        assert await backend.task_queue.depth() == Depth(visible=0, in_flight=0)


async def test_the_backlog_is_bounded_in_bytes_too(tmp_path):
    large = Raw(b'"' + b"x" * 400 + b'"')
    async with open_local(tmp_path / "data", ManualClock(), max_backlog_bytes=1_000) as backend:
        for _ in range(2):
            await backend.task_queue.send(some_task(input=large), durable=False)
        with pytest.raises(BacklogFull):
            await backend.task_queue.send(some_task(input=large), durable=False)
        for lease in await received(backend):
            await backend.task_queue.ack(lease)
        await backend.task_queue.send(some_task(input=large), durable=False)


# Fairness


@given(st.lists(st.sampled_from("abcd"), max_size=100))
def test_functions_that_have_tasks_waiting_are_never_more_than_one_turn_apart(sent):
    lanes, left, taken = Lanes(), Counter(sent), Counter()
    for function_id in sent:
        lanes.put(QueuedTask(some_task(function_id), durable=False))
    while (entry := lanes.take()) is not None:
        taken[entry.task.function_id] += 1
        waiting = [taken[function_id] for function_id in left if taken[function_id] < left[function_id]]

        assert not waiting or max(taken.values()) - min(waiting) <= 1
    assert taken == left


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "let_go"]), st.sampled_from("abc")), max_size=100))
def test_limits_hold_and_no_ready_task_is_forgotten(events):
    limits = {"a": 1, "b": 2, "c": 0}
    lanes, waiting, held = Lanes(), Counter(), []
    for event, function_id in events:
        if event == "put":
            lanes.put(QueuedTask(some_task(function_id, concurrency=limits[function_id]), durable=False))
            waiting[function_id] += 1
        elif event == "take" and (entry := lanes.take()) is not None:
            held.append(entry)
            waiting[entry.task.function_id] -= 1
        elif event == "let_go" and held:
            lanes.let_go(held.pop(0))
        in_flight = Counter(entry.task.function_id for entry in held)
        free = [f for f, n in waiting.items() if n and (not limits[f] or in_flight[f] < limits[f])]

        assert all(not limits[f] or in_flight[f] <= limits[f] for f in limits)
        assert lanes.ready == bool(free)


# Tenants

# function, its own limit, its tenant, that one's limit; "x" was sent before acme had a limit
LANES = {"a": (0, "acme", 2), "b": (1, "acme", 2), "x": (0, "acme", 0), "c": (0, "default", 0)}


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "let_go"]), st.sampled_from(list(LANES))), max_size=120))
def test_a_tenants_limit_holds_and_no_task_that_may_run_is_passed_over(events):
    lanes, waiting, held = Lanes(), Counter(), []
    for event, function_id in events:
        if event == "put":
            lanes.put(QueuedTask(tenants_task(function_id), durable=False))
            waiting[function_id] += 1
        elif event == "let_go" and held:
            lanes.let_go(held.pop(0))
        elif event == "take":
            free = [function_id for function_id, count in waiting.items() if count and may_run(function_id, held)]
            entry = lanes.take()

            assert (entry is not None) == bool(free)
            if entry is not None:
                assert entry.task.function_id in free
                held.append(entry)
                waiting[entry.task.function_id] -= 1


def tenants_task(function_id):
    concurrency, tenant, limit = LANES[function_id]
    return some_task(function_id, concurrency=concurrency, tenant=tenant, tenant_concurrency=limit)


def may_run(function_id, held):
    concurrency, tenant, limit = LANES[function_id]
    own = sum(entry.task.function_id == function_id for entry in held)
    of_tenant = sum(entry.task.tenant == tenant and entry.task.tenant_concurrency > 0 for entry in held)
    return (not concurrency or own < concurrency) and (not limit or of_tenant < limit)


async def test_a_tenants_backlog_is_bounded_and_nobody_elses(tmp_path):
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        for _ in range(2):
            await backend.task_queue.send(some_task(tenant="acme", tenant_backlog=2), durable=True)
        with pytest.raises(BacklogFull, match="acme"):
            await backend.task_queue.send(some_task(tenant="acme", tenant_backlog=2), durable=True)
        await backend.task_queue.send(some_task(tenant="other", tenant_backlog=2), durable=True)
        for lease in await received(backend):
            await backend.task_queue.ack(lease)
        await backend.task_queue.send(some_task(tenant="acme", tenant_backlog=2), durable=True)
