"""Runs that a crash left off the queue are on it again."""

import pytest
from msgspec import UNSET, structs

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.errors import DeadLetterNotFound
from nanogrid.model import RunStatus
from records import DEAD, SUCCEEDED, some_function, some_run, some_task


async def test_a_run_whose_task_was_only_in_memory_is_queued_again_with_its_limit(tmp_path):
    function = some_function(concurrency=3)
    run = some_run(function_id=function.function_id)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.registry.create(function)
        await backend.run_store.accept(run, durable=False)
        await backend.run_store.start(run.run_id, 2)
        await backend.run_store.persist(run.run_id)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        (lease,) = await backend.task_queue.receive(limit=10, wait_s=0)
        started = await backend.run_store.start(run.run_id, lease.attempt)

    assert (lease.task.run_id, lease.task.input, lease.task.concurrency) == (run.run_id, run.input, 3)
    assert started.status is RunStatus.RUNNING


async def test_what_was_put_back_is_journaled(tmp_path):
    run = some_run()
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.run_store.accept(run, durable=True)
    for _ in range(3):
        async with open_local(tmp_path / "data", ManualClock()) as backend:
            leases = await backend.task_queue.receive(limit=10, wait_s=0)

    assert [(lease.attempt, lease.failures) for lease in leases] == [(3, 0)]


async def test_an_ended_run_is_not_put_back(tmp_path):
    run = some_run()
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.run_store.accept(run, durable=True)
        finished = await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        found = await backend.run_store.get(run.run_id)

        assert await backend.task_queue.receive(limit=10, wait_s=0) == []
        assert structs.replace(found, input=UNSET) == finished


async def test_a_crash_between_reopening_and_redriving_leaves_a_task_and_no_letter(tmp_path):
    run = some_run()
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.run_store.accept(run, durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
        (lease,) = await backend.task_queue.receive(limit=10, wait_s=0)
        await backend.run_store.finish(run.run_id, 1, DEAD)
        await backend.dead_letters.bury(lease, "broken")
        await backend.run_store.reopen(run.run_id)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        leases = await backend.task_queue.receive(limit=10, wait_s=0)

        assert [lease.task.run_id for lease in leases] == [run.run_id]
        with pytest.raises(DeadLetterNotFound):
            await backend.dead_letters.redrive(run.run_id)
