"""The promises of `RunStore`."""

import asyncio

import pytest
from msgspec import UNSET, Raw, structs

from nanogrid.errors import IdempotencyConflict, MalformedRequest, RunEnded, RunNotFound
from nanogrid.identifiers import new_function_id, new_run_id
from nanogrid.model import ErrorKind, Logs, Outcome, RunStatus, Usage
from records import AGAIN, DEAD, FAILED, SUCCEEDED, some_run

DAY_S = 24 * 3600.0
both = pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])


async def accepted(backend, *, durable=True, **fields):
    return await backend.run_store.accept(some_run(**fields), durable=durable)


async def ended(backend, outcome=SUCCEEDED, *, durable=True, **fields):
    run = await accepted(backend, durable=durable, **fields)
    await backend.run_store.start(run.run_id, 1)
    return await backend.run_store.finish(run.run_id, 1, outcome)


async def everything(store, *, limit=2, **filters):
    """All pages of a listing, one after the other."""
    pages = [await store.list_runs(limit=limit, **filters)]
    while pages[-1].next_cursor:
        pages.append(await store.list_runs(limit=limit, cursor=pages[-1].next_cursor, **filters))
    assert all(len(page.items) == limit for page in pages[:-1])
    return [run for page in pages for run in page.items]


@both
async def test_an_accepted_run_is_found_with_its_input(bench, durable):
    run = some_run()
    async with bench.open() as backend:
        returned = await backend.run_store.accept(run, durable=durable)
        found = await backend.run_store.get(run.run_id)

    assert returned == found == run


async def test_an_unknown_run_raises_everywhere(bench):
    run_id = new_run_id()
    async with bench.open() as backend:
        store = backend.run_store
        for call in (store.get, store.persist, store.reopen):
            with pytest.raises(RunNotFound):
                await call(run_id)
        with pytest.raises(RunNotFound):
            await store.start(run_id, 1)
        with pytest.raises(RunNotFound):
            await store.finish(run_id, 1, SUCCEEDED)


@both
async def test_start_marks_the_run_as_running_under_its_attempt(bench, durable):
    async with bench.open() as backend:
        run = await accepted(backend, durable=durable)
        started = await backend.run_store.start(run.run_id, 3)
        found = await backend.run_store.get(run.run_id)

    assert (started.status, started.attempt) == (RunStatus.RUNNING, 3)
    assert started.started_at is not None
    assert found == structs.replace(started, input=run.input)


@both
async def test_finish_stores_the_whole_outcome(bench, durable):
    outcome = Outcome(
        status=RunStatus.FAILED,
        output=Raw(b"null"),
        error=structs.replace(FAILED.error, stack_trace=["main.py:1", "main.py:2"]),
        logs=Logs(text="a\nb", truncated=True),
        usage=Usage(queued_ms=1.5, cold_start=True, init_ms=2.5, duration_ms=3.5, peak_memory_mb=4.5),
    )
    async with bench.open() as backend:
        run = await ended(backend, outcome, durable=durable)
        found = await backend.run_store.get(run.run_id)

    assert found.error == outcome.error
    assert (found.status, found.logs, found.usage) == (RunStatus.FAILED, outcome.logs, outcome.usage)
    assert found.ended_at is not None
    assert structs.replace(run, input=found.input) == found


@both
async def test_output_and_input_come_back_byte_for_byte(bench, durable):
    odd = Raw(b'{ "b":1.0,\n "a" : "\xc3\xa9", "a":1e2 }')
    async with bench.open() as backend:
        run = await ended(backend, structs.replace(SUCCEEDED, output=odd), durable=durable, input=odd)
        await backend.run_store.persist(run.run_id)
    async with bench.open() as backend:
        found = await backend.run_store.get(run.run_id)

    assert (bytes(found.output), bytes(found.input)) == (bytes(odd), bytes(odd))


@both
@pytest.mark.parametrize("first", [SUCCEEDED, FAILED, DEAD], ids=lambda outcome: outcome.status)
async def test_the_first_terminal_outcome_wins(bench, durable, first):
    async with bench.open() as backend:
        run = await ended(backend, first, durable=durable)
        for attempt in (1, 2, 2**31 - 1):
            with pytest.raises(RunEnded):
                await backend.run_store.finish(run.run_id, attempt, SUCCEEDED)
            with pytest.raises(RunEnded):
                await backend.run_store.start(run.run_id, attempt)
        found = await backend.run_store.get(run.run_id)

    assert structs.replace(found, input=UNSET) == structs.replace(run, input=UNSET)


@both
async def test_of_racing_finishers_one_wins_and_its_outcome_stays(bench, durable):
    async with bench.open() as backend:
        run = await accepted(backend, durable=durable)
        await backend.run_store.start(run.run_id, 1)
        outcomes = [structs.replace(SUCCEEDED, output=Raw(str(n).encode())) for n in range(10)]
        racing = [backend.run_store.finish(run.run_id, 1, outcome) for outcome in outcomes]
        results = await asyncio.gather(*racing, return_exceptions=True)
        found = await backend.run_store.get(run.run_id)

    (winner,) = [result for result in results if not isinstance(result, RunEnded)]
    assert found.output == winner.output


@both
async def test_a_late_finisher_is_refused(bench, durable):
    async with bench.open() as backend:
        run = await accepted(backend, durable=durable)
        await backend.run_store.start(run.run_id, 1)
        await backend.run_store.start(run.run_id, 2)
        with pytest.raises(RunEnded):
            await backend.run_store.finish(run.run_id, 1, FAILED)
        with pytest.raises(RunEnded):
            await backend.run_store.start(run.run_id, 1)
        finished = await backend.run_store.finish(run.run_id, 2, SUCCEEDED)

    assert (finished.status, finished.attempt) == (RunStatus.SUCCEEDED, 2)


@both
async def test_a_run_that_never_started_can_end(bench, durable):
    cancelled = Outcome(status=RunStatus.CANCELLED, error=structs.replace(FAILED.error, kind=ErrorKind.CANCELLED))
    async with bench.open() as backend:
        run = await accepted(backend, durable=durable)
        finished = await backend.run_store.finish(run.run_id, 2**31 - 1, cancelled)

    assert (finished.status, finished.attempt, finished.started_at) == (RunStatus.CANCELLED, 0, None)


@both
async def test_an_outcome_that_is_queued_ends_the_attempt_only(bench, durable):
    async with bench.open() as backend:
        waiting = await ended(backend, AGAIN, durable=durable)
        started = await backend.run_store.start(waiting.run_id, 2)
        finished = await backend.run_store.finish(waiting.run_id, 2, SUCCEEDED)

    assert (waiting.status, waiting.error, waiting.retried, waiting.ended_at) == (
        RunStatus.QUEUED,
        FAILED.error,
        1,
        None,
    )
    assert (started.attempt, started.retried) == (2, 1)
    assert (finished.status, finished.error, finished.retried) == (RunStatus.SUCCEEDED, None, 1)


@both
async def test_a_withdrawn_run_is_forgotten(bench, durable):
    async with bench.open() as backend:
        run = await accepted(backend, durable=durable)
        await backend.run_store.withdraw(run.run_id)
        await backend.run_store.withdraw(run.run_id)
        listed = await backend.run_store.list_runs(limit=10)

        assert listed.items == []
        with pytest.raises(RunNotFound):
            await backend.run_store.get(run.run_id)


# What is on disk when


async def test_an_accepted_durable_run_survives_a_crash(bench):
    async with bench.open() as backend:
        run = await accepted(backend)
        after = bench.crashed()
    async with after.open() as backend:
        found = await backend.run_store.get(run.run_id)

    assert found == run


async def test_the_outcome_of_a_durable_run_survives_a_crash(bench):
    async with bench.open() as backend:
        run = await ended(backend)
        after = bench.crashed()
    async with after.open() as backend:
        found = await backend.run_store.get(run.run_id)
        with pytest.raises(RunEnded):
            await backend.run_store.start(run.run_id, 2)

    assert structs.replace(found, input=UNSET) == run


@pytest.mark.parametrize("stage", ["queued", "running", "ended"])
async def test_a_plain_run_that_was_persisted_survives_a_crash(bench, stage):
    async with bench.open() as backend:
        store = backend.run_store
        run = await ended(backend, durable=False) if stage == "ended" else await accepted(backend, durable=False)
        if stage == "running":
            await store.start(run.run_id, 1)
        await store.persist(run.run_id)
        await store.persist(run.run_id)
        before, after = await store.get(run.run_id), bench.crashed()
    async with after.open() as backend:
        found = await backend.run_store.get(run.run_id)

    assert found == before


async def test_what_follows_persist_is_durable_too(bench):
    async with bench.open() as backend:
        run = await accepted(backend, durable=False)
        await backend.run_store.persist(run.run_id)
        await backend.run_store.start(run.run_id, 1)
        await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
        after = bench.crashed()
    async with after.open() as backend:
        found = await backend.run_store.get(run.run_id)

    assert (found.status, found.output, found.input) == (RunStatus.SUCCEEDED, SUCCEEDED.output, run.input)


async def test_a_run_can_end_while_it_is_being_persisted(bench):
    async with bench.open() as backend:
        run = await accepted(backend, durable=False)
        await backend.run_store.start(run.run_id, 1)
        persisting = asyncio.create_task(backend.run_store.persist(run.run_id))
        await asyncio.sleep(0)
        await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
        await persisting
        after = bench.crashed()
    async with after.open() as backend:
        found = await backend.run_store.get(run.run_id)

    assert (found.status, found.input) == (RunStatus.SUCCEEDED, run.input)


async def test_a_gentle_end_loses_no_record(bench):
    async with bench.open() as backend:
        runs = [await ended(backend, durable=False) for _ in range(30)]
    async with bench.open() as backend:
        found = [await backend.run_store.get(run.run_id) for run in runs]

    assert [structs.replace(run, input=UNSET) for run in found] == runs


# Idempotency


async def test_the_same_key_and_body_give_the_run_of_the_first_time(bench):
    first, second = some_run(), some_run()
    async with bench.open() as backend:
        await backend.run_store.accept(first, durable=True, idempotency=("key", "body"))
        again = await backend.run_store.accept(second, durable=True, idempotency=("key", "body"))
        with pytest.raises(RunNotFound):
            await backend.run_store.get(second.run_id)

    assert again == first


async def test_the_same_key_gives_the_outcome_once_there_is_one(bench):
    run = some_run()
    async with bench.open() as backend:
        await backend.run_store.accept(run, durable=False, idempotency=("key", "body"))
        await backend.run_store.start(run.run_id, 1)
        await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
        again = await backend.run_store.accept(some_run(), durable=False, idempotency=("key", "body"))

    assert (again.run_id, again.status, again.output) == (run.run_id, RunStatus.SUCCEEDED, SUCCEEDED.output)


async def test_the_same_key_with_another_body_is_a_conflict(bench):
    async with bench.open() as backend:
        await backend.run_store.accept(some_run(), durable=True, idempotency=("key", "body"))

        with pytest.raises(IdempotencyConflict):
            await backend.run_store.accept(some_run(), durable=True, idempotency=("key", "other"))


async def test_a_hundred_racing_calls_with_one_key_make_one_run(bench):
    async with bench.open() as backend:
        racing = [backend.run_store.accept(some_run(), durable=True, idempotency=("key", "body")) for _ in range(100)]
        runs = await asyncio.gather(*racing)
        listed = await backend.run_store.list_runs(limit=10)

    assert len({run.run_id for run in runs}) == 1
    assert len(listed.items) == 1


async def test_a_key_survives_a_crash(bench):
    run = some_run()
    async with bench.open() as backend:
        await backend.run_store.accept(run, durable=True, idempotency=("key", "body"))
        after = bench.crashed()
    async with after.open() as backend:
        again = await backend.run_store.accept(some_run(), durable=True, idempotency=("key", "body"))

    assert again.run_id == run.run_id


async def test_the_key_of_a_withdrawn_run_is_free_again(bench):
    first, second = some_run(), some_run()
    async with bench.open() as backend:
        await backend.run_store.accept(first, durable=True, idempotency=("key", "body"))
        await backend.run_store.withdraw(first.run_id)
        again = await backend.run_store.accept(second, durable=True, idempotency=("key", "other"))

    assert again.run_id == second.run_id


@pytest.mark.parametrize(("later_s", "same"), [(DAY_S - 1, True), (DAY_S + 1, False)])
async def test_a_key_is_kept_for_a_day(bench, later_s, same):
    first, second = some_run(), some_run()
    async with bench.open() as backend:
        await backend.run_store.accept(first, durable=True, idempotency=("key", "body"))
        await bench.pass_time(later_s)
        again = await backend.run_store.accept(second, durable=True, idempotency=("key", "body"))

    assert (again.run_id == first.run_id) is same


# Listing


@both
async def test_runs_are_listed_newest_first_without_inputs(bench, durable):
    async with bench.open() as backend:
        runs = [await ended(backend, durable=durable) for _ in range(5)]
        found = await everything(backend.run_store)

    assert found == sorted(runs, key=lambda run: run.run_id, reverse=True)
    assert all(run.input is UNSET for run in found)


async def test_a_listing_has_queued_running_and_ended_runs_of_both_kinds(bench):
    async with bench.open() as backend:
        run_ids = []
        for durable in (True, False):
            running = await accepted(backend, durable=durable)
            await backend.run_store.start(running.run_id, 1)
            run_ids += [running.run_id, (await accepted(backend, durable=durable)).run_id]
            run_ids.append((await ended(backend, durable=durable)).run_id)
        found = await everything(backend.run_store)

    assert [run.run_id for run in found] == sorted(run_ids, reverse=True)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_listing_is_filtered_by_function_and_status(bench, restarted):
    mine, other = new_function_id(), new_function_id()
    async with bench.open() as backend:
        wanted = [await ended(backend, FAILED, durable=n % 2 == 0, function_id=mine) for n in range(4)]
        for function_id, outcome in ((mine, SUCCEEDED), (other, FAILED), (other, SUCCEEDED)):
            await ended(backend, outcome, durable=False, function_id=function_id)
        if not restarted:
            found = await everything(backend.run_store, function_id=mine, status=RunStatus.FAILED)
    async with bench.open() as backend:
        if restarted:
            found = await everything(backend.run_store, function_id=mine, status=RunStatus.FAILED)
        of_function = await everything(backend.run_store, function_id=mine)
        of_status = await everything(backend.run_store, status=RunStatus.FAILED)

    assert [run.run_id for run in found] == sorted((run.run_id for run in wanted), reverse=True)
    assert (len(of_function), len(of_status)) == (5, 5)


@both
async def test_a_filter_sees_each_run_as_it_stands_now(bench, durable):
    async with bench.open() as backend:
        run = await accepted(backend, durable=durable)
        statuses = [await everything(backend.run_store, status=RunStatus.QUEUED)]
        await backend.run_store.start(run.run_id, 1)
        statuses.append(await everything(backend.run_store, status=RunStatus.QUEUED))
        statuses.append(await everything(backend.run_store, status=RunStatus.RUNNING))
        await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
        statuses.append(await everything(backend.run_store, status=RunStatus.RUNNING))
        statuses.append(await everything(backend.run_store, status=RunStatus.SUCCEEDED))

    assert [len(found) for found in statuses] == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("cursor", ["", "!", "ä", "cnVuXzE", "AAAA"])
async def test_a_foreign_cursor_is_refused(bench, cursor):
    async with bench.open() as backend:
        with pytest.raises(MalformedRequest):
            await backend.run_store.list_runs(limit=10, cursor=cursor)


# Dead runs


@both
async def test_a_dead_run_can_be_reopened_and_run_again(bench, durable):
    async with bench.open() as backend:
        dead = await ended(backend, DEAD, durable=durable)
        reopened = await backend.run_store.reopen(dead.run_id)
        await backend.run_store.start(dead.run_id, 2)
        finished = await backend.run_store.finish(dead.run_id, 2, SUCCEEDED)

    assert (reopened.status, reopened.error, reopened.ended_at) == (RunStatus.QUEUED, None, None)
    assert bytes(reopened.input) == b'{"question":6}'
    assert finished.status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("outcome", [None, AGAIN, SUCCEEDED, FAILED], ids=["queued", "again", "succeeded", "failed"])
async def test_only_a_dead_run_can_be_reopened(bench, outcome):
    async with bench.open() as backend:
        run = await ended(backend, outcome) if outcome else await accepted(backend)

        with pytest.raises(RunEnded):
            await backend.run_store.reopen(run.run_id)


async def test_of_racing_reopens_one_wins(bench):
    async with bench.open() as backend:
        dead = await ended(backend, DEAD)
        racing = [backend.run_store.reopen(dead.run_id) for _ in range(5)]
        results = await asyncio.gather(*racing, return_exceptions=True)

    assert sum(isinstance(result, RunEnded) for result in results) == 4


async def test_a_reopened_run_survives_a_crash_as_queued(bench):
    async with bench.open() as backend:
        dead = await ended(backend, DEAD, durable=False)
        reopened = await backend.run_store.reopen(dead.run_id)
        after = bench.crashed()
    async with after.open() as backend:
        found = await backend.run_store.get(dead.run_id)

    assert found == reopened


async def test_a_finisher_from_before_the_reopening_is_refused_once_the_next_attempt_began(bench):
    async with bench.open() as backend:
        dead = await ended(backend, DEAD)
        await backend.run_store.reopen(dead.run_id)
        await backend.run_store.start(dead.run_id, 2)

        with pytest.raises(RunEnded):
            await backend.run_store.finish(dead.run_id, 1, SUCCEEDED)


async def test_a_cancelled_finisher_leaves_memory_and_disk_agreed(bench):
    async with bench.open() as backend:
        run = await accepted(backend)
        await backend.run_store.start(run.run_id, 1)
        finishing = asyncio.create_task(backend.run_store.finish(run.run_id, 1, SUCCEEDED))
        await asyncio.sleep(0)
        finishing.cancel()
        await asyncio.gather(finishing, return_exceptions=True)
        with pytest.raises(RunEnded):
            await backend.run_store.finish(run.run_id, 1, FAILED)
    async with bench.open() as backend:
        found = await backend.run_store.get(run.run_id)

    assert found.status is RunStatus.SUCCEEDED


@both
async def test_a_tenants_runs_are_listed_to_that_tenant_only(bench, durable):
    ours, theirs = some_run(), some_run(tenant="acme", function_id="fn_00000000000000000000000001")
    async with bench.open() as backend:
        for run in (ours, theirs):
            await backend.run_store.accept(run, durable=durable)
            await backend.run_store.persist(run.run_id)
        await backend.run_store.finish(theirs.run_id, 1, SUCCEEDED)

        async def listed(**query):
            return [run.run_id for run in (await backend.run_store.list_runs(limit=10, **query)).items]

        assert await listed() == [ours.run_id]
        assert await listed(tenant="acme") == [theirs.run_id]
        assert await listed(tenant="acme", status=RunStatus.SUCCEEDED) == [theirs.run_id]
        assert await listed(tenant="acme", function_id=theirs.function_id) == [theirs.run_id]
        assert await listed(status=RunStatus.SUCCEEDED) == []
        assert await listed(function_id=theirs.function_id) == []
        assert await listed(tenant="nobody") == []
