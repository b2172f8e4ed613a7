"""The promises of `DeadLetters`."""

import pytest
from msgspec import structs

from nanogrid.errors import DeadLetterNotFound, LeaseLost, MalformedRequest
from nanogrid.identifiers import new_run_id
from nanogrid.model import Depth
from records import some_task

both = pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])


async def leased(backend, *, durable=True, failures=0):
    await backend.task_queue.send(some_task(), durable=durable)
    (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
    for _ in range(failures):
        await backend.task_queue.release(lease, failed=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
    return lease


@both
async def test_a_buried_task_is_kept_with_its_reason(bench, durable):
    async with bench.open() as backend:
        lease = await leased(backend, durable=durable, failures=4)
        letter = await backend.dead_letters.bury(lease, "the sandbox vanished")
        page = await backend.dead_letters.list_letters(limit=10)

    assert (letter.run_id, letter.function_id) == (lease.task.run_id, lease.task.function_id)
    assert (letter.reason, letter.failures) == ("the sandbox vanished", 4)
    assert (page.items, page.next_cursor) == ([letter], None)


@both
async def test_a_buried_task_is_off_the_queue(bench, durable):
    async with bench.open() as backend:
        lease = await leased(backend, durable=durable)
        await backend.dead_letters.bury(lease, "broken")
        with pytest.raises(LeaseLost):
            await backend.task_queue.ack(lease)
        await bench.pass_time(backend.task_queue.lease_s * 2)

        assert await backend.task_queue.depth() == Depth(visible=0, in_flight=0)


@both
async def test_after_a_crash_a_buried_task_is_a_dead_letter_and_nothing_else(bench, durable):
    async with bench.open() as backend:
        letter = await backend.dead_letters.bury(await leased(backend, durable=durable), "broken")
        after = bench.crashed()
    async with after.open() as backend:
        page = await backend.dead_letters.list_letters(limit=10)

        assert page.items == [letter]
        assert await backend.task_queue.receive(limit=10, wait_s=0) == []


async def test_letters_are_listed_newest_first_page_by_page(bench):
    async with bench.open() as backend:
        letters = [await backend.dead_letters.bury(await leased(backend), str(n)) for n in range(5)]
        first = await backend.dead_letters.list_letters(limit=2)
        second = await backend.dead_letters.list_letters(limit=2, cursor=first.next_cursor)
        await backend.dead_letters.bury(await leased(backend), "later")
        third = await backend.dead_letters.list_letters(limit=2, cursor=second.next_cursor)

    assert first.items + second.items + third.items == letters[::-1]
    assert third.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "!", "ä", "LTE", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", "ZnJlbWQ"])
async def test_a_foreign_cursor_is_refused(bench, cursor):
    async with bench.open() as backend:
        with pytest.raises(MalformedRequest):
            await backend.dead_letters.list_letters(limit=10, cursor=cursor)


@both
async def test_a_redriven_task_is_on_the_queue_again_with_its_failures_forgotten(bench, durable):
    async with bench.open() as backend:
        lease = await leased(backend, durable=durable, failures=4)
        await backend.dead_letters.bury(lease, "broken")
        await backend.dead_letters.redrive(lease.task.run_id)
        (again,) = await backend.task_queue.receive(limit=10, wait_s=0)
        page = await backend.dead_letters.list_letters(limit=10)

    assert (again.task, again.failures, page.items) == (lease.task, 0, [])


async def test_a_redriven_task_is_as_young_as_one_that_was_just_sent(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        await backend.dead_letters.bury(lease, "broken")
        await bench.pass_time(2)
        await backend.dead_letters.redrive(lease.task.run_id)
        (again,) = await backend.task_queue.receive(limit=1, wait_s=0)

    assert again.task == structs.replace(lease.task, enqueued_at=again.task.enqueued_at)
    assert again.task.enqueued_at > lease.task.enqueued_at


async def test_a_redriven_task_has_a_later_attempt_than_any_before(bench):
    async with bench.open() as backend:
        lease = await leased(backend, failures=2)
        await backend.dead_letters.bury(lease, "broken")
        await backend.dead_letters.redrive(lease.task.run_id)
        (again,) = await backend.task_queue.receive(limit=10, wait_s=0)

    assert again.attempt > lease.attempt


async def test_a_redriven_task_survives_a_crash(bench):
    async with bench.open() as backend:
        lease = await leased(backend, durable=False)
        await backend.dead_letters.bury(lease, "broken")
        await backend.dead_letters.redrive(lease.task.run_id)
        after = bench.crashed()
    async with after.open() as backend:
        (again,) = await backend.task_queue.receive(limit=10, wait_s=0)
        page = await backend.dead_letters.list_letters(limit=10)

    assert (again.task, page.items) == (lease.task, [])


async def test_a_redriven_task_survives_a_gentle_end(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        await backend.task_queue.send(some_task(), durable=True, delay_s=60)
        await backend.dead_letters.bury(lease, "broken")
        await backend.dead_letters.redrive(lease.task.run_id)
    async with bench.open() as backend:
        leases = await backend.task_queue.receive(limit=10, wait_s=0)

    assert lease.task in [again.task for again in leases]


async def test_a_redriven_task_can_be_acknowledged_for_good(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        await backend.dead_letters.bury(lease, "broken")
        await backend.dead_letters.redrive(lease.task.run_id)
        (again,) = await backend.task_queue.receive(limit=10, wait_s=0)
        await backend.task_queue.ack(again)
    async with bench.open() as backend:
        assert await backend.task_queue.depth() == Depth(visible=0, in_flight=0)


async def test_a_run_without_a_letter_cannot_be_redriven(bench):
    async with bench.open() as backend:
        lease = await leased(backend)
        await backend.dead_letters.bury(lease, "broken")
        await backend.dead_letters.redrive(lease.task.run_id)

        for run_id in (lease.task.run_id, new_run_id()):
            with pytest.raises(DeadLetterNotFound):
                await backend.dead_letters.redrive(run_id)


async def test_a_tenants_letters_are_listed_to_that_tenant_only(bench):
    async with bench.open() as backend:
        await backend.task_queue.send(some_task(tenant="acme"), durable=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        theirs = await backend.dead_letters.bury(lease, "broken")
        ours = await backend.dead_letters.bury(await leased(backend), "broken")

        assert theirs.tenant == "acme"
        assert (await backend.dead_letters.list_letters(limit=10)).items == [ours]
        assert (await backend.dead_letters.list_letters(tenant="acme", limit=10)).items == [theirs]
        assert (await backend.dead_letters.list_letters(tenant="nobody", limit=10)).items == []
