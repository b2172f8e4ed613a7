"""What the local run store promises beyond the port: writing behind, history, reading no more than asked for."""

from contextlib import asynccontextmanager

import pytest
from msgspec import Raw, structs

from clocks import ManualClock
from nanogrid.backends.local.database import open_database
from nanogrid.backends.local.run_store import LocalRunStore
from nanogrid.backends.local.run_table import Listing
from nanogrid.backends.local.schema import shipped_schema
from nanogrid.errors import RunNotFound, StoreUnavailable
from nanogrid.model import RunStatus
from records import DEAD, SUCCEEDED, some_run

MEGABYTE = Raw(b'"' + b"x" * 1_000_000 + b'"')


@asynccontextmanager
async def opened(folder, *, history_limit=1_000_000):
    async with open_database(folder / "test.db", shipped_schema()) as database:
        store = LocalRunStore(database, ManualClock(), history_limit=history_limit)
        await store.load()
        yield store, database
        await store.close()


async def fill_disk(database):
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1"))


async def free_disk(database):
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))


async def ended(store, outcome=SUCCEEDED, *, durable=False, **fields):
    run = await store.accept(some_run(**fields), durable=durable)
    await store.start(run.run_id, 1)
    return await store.finish(run.run_id, 1, outcome)


def count(connection):
    return connection.execute("SELECT count(*) FROM runs").fetchone()[0]


async def test_a_plain_run_is_not_on_disk_before_it_has_ended(tmp_path):
    async with opened(tmp_path) as (store, database):
        run = await store.accept(some_run(), durable=False)
        await store.start(run.run_id, 1)
        await store._mirror.flush()
        before = await database.read(count)
        await store.finish(run.run_id, 1, SUCCEEDED)
        await store._mirror.flush()

        assert (before, await database.read(count)) == (0, 1)


async def test_plain_runs_go_on_while_the_disk_is_full_and_are_recorded_when_it_is_not(tmp_path):
    async with opened(tmp_path) as (store, database):
        await fill_disk(database)
        runs = [await ended(store) for _ in range(600)]
        with pytest.raises(StoreUnavailable):
            await store._mirror.flush()
        found = [await store.get(run.run_id) for run in runs]
        await free_disk(database)
        await store._mirror.flush()

        assert {run.status for run in found} == {RunStatus.SUCCEEDED}
        assert await database.read(count) == 600


async def run_many(store, count):
    for _ in range(count):
        run = await store.accept(some_run(input=MEGABYTE), durable=False)
        await store.finish(run.run_id, 1, SUCCEEDED)


async def test_what_the_disk_does_not_take_is_bounded_and_then_runs_are_refused(tmp_path):
    async with opened(tmp_path) as (store, database):
        running = await store.accept(some_run(), durable=False)
        await fill_disk(database)
        with pytest.raises(StoreUnavailable):
            await run_many(store, 100)
        finished = await store.finish(running.run_id, 1, SUCCEEDED)
        await free_disk(database)
        again = await ended(store)

    assert (finished.status, again.status) == (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED)


async def test_a_full_disk_refuses_a_durable_run_and_nothing_of_it_stays(tmp_path):
    refused = some_run(input=MEGABYTE)
    async with opened(tmp_path) as (store, database):
        await fill_disk(database)
        with pytest.raises(StoreUnavailable):
            await store.accept(refused, durable=True)
        await free_disk(database)

        with pytest.raises(RunNotFound):
            await store.get(refused.run_id)


async def test_an_outcome_that_the_disk_refused_can_be_stored_later(tmp_path):
    outcome = structs.replace(SUCCEEDED, output=MEGABYTE)
    async with opened(tmp_path) as (store, database):
        run = await store.accept(some_run(), durable=True)
        await store.start(run.run_id, 1)
        await fill_disk(database)
        with pytest.raises(StoreUnavailable):
            await store.finish(run.run_id, 1, outcome)
        between = await store.get(run.run_id)
        await free_disk(database)
        await store.finish(run.run_id, 2, outcome)
    async with opened(tmp_path) as (store, _):
        found = await store.get(run.run_id)

    assert between.status is RunStatus.RUNNING
    assert (found.status, found.output) == (RunStatus.SUCCEEDED, MEGABYTE)


async def test_a_dead_run_that_could_not_be_reopened_is_still_dead(tmp_path):
    async with opened(tmp_path) as (store, database):
        run = await store.accept(some_run(input=MEGABYTE), durable=False)
        await store.finish(run.run_id, 1, DEAD)
        await fill_disk(database)
        with pytest.raises(StoreUnavailable):
            await store.reopen(run.run_id)
        await free_disk(database)
    async with opened(tmp_path) as (store, database):
        found = await store.get(run.run_id)
        reopened = await store.reopen(run.run_id)

    assert (found.status, found.input) == (RunStatus.DEAD, MEGABYTE)
    assert reopened.status is RunStatus.QUEUED


async def test_history_keeps_the_newest_runs_and_every_dead_one(tmp_path):
    ids = [f"run_{number:026}" for number in range(42)]
    async with opened(tmp_path, history_limit=5) as (store, _):
        await ended(store, DEAD, durable=True, run_id=ids[0])
        for number, run_id in enumerate(ids[1:-1]):
            await ended(store, durable=number % 2 == 0, run_id=run_id)
    async with opened(tmp_path, history_limit=5) as (store, _):
        await ended(store, run_id=ids[-1])
    async with opened(tmp_path, history_limit=5) as (store, _):
        page = await store.list_runs(limit=100)

    assert [run.run_id for run in page.items] == [*ids[:-6:-1], ids[0]]


async def test_after_a_restart_attempts_count_anew_because_the_old_ones_are_dead(tmp_path):
    async with opened(tmp_path) as (store, _):
        run = await store.accept(some_run(), durable=True)
        await store.start(run.run_id, 4)
    async with opened(tmp_path) as (store, _):
        before = await store.get(run.run_id)
        await store.start(run.run_id, 1)
        finished = await store.finish(run.run_id, 1, SUCCEEDED)

    assert (before.status, before.attempt) == (RunStatus.RUNNING, 4)
    assert finished.status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("function_id", [None, "fn_1"])
@pytest.mark.parametrize("status", [None, RunStatus.FAILED])
async def test_a_listing_walks_an_index_and_sorts_nothing(tmp_path, function_id, status):
    query, values = Listing("default", function_id, status, "run_~").query()
    explain = f"EXPLAIN QUERY PLAN {query}"
    async with opened(tmp_path) as (_, database):
        plan = await database.read(lambda connection: connection.execute(explain, values).fetchall())

    (step,) = [step[3] for step in plan]
    assert step.startswith("SEARCH runs USING")
    # Without a function it is the tenant's index that is walked.
    assert step.count("=?") == 1 + (status is not None)
    assert ("tenant=?" in step) == (function_id is None)


async def test_a_run_that_is_withdrawn_while_the_disk_is_full_is_gone_at_once_and_its_key_is_free(tmp_path):
    async with opened(tmp_path) as (store, database):
        run = await store.accept(some_run(), durable=True, idempotency=("key", "body"))
        await fill_disk(database)
        await store.withdraw(run.run_id)
        with pytest.raises(RunNotFound):
            await store.get(run.run_id)
        listed = await store.list_runs(limit=10)
        await free_disk(database)
        again = await store.accept(some_run(), durable=True, idempotency=("key", "body"))
        await store._mirror.flush()

        assert (listed.items, await database.read(count)) == ([], 1)
        assert again.run_id != run.run_id
