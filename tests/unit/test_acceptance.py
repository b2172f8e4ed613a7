"""What one machine does for a promise: run and task on disk with one commit, and no more written than is needed."""

import asyncio
import shutil
from contextlib import asynccontextmanager

import pytest
from msgspec import Raw

from clocks import ManualClock
from nanogrid.backends.local.acceptance import LocalAcceptance
from nanogrid.backends.local.database import open_database
from nanogrid.backends.local.run_store import LocalRunStore
from nanogrid.backends.local.schema import shipped_schema
from nanogrid.backends.local.task_journal import TaskJournal
from nanogrid.backends.local.task_queue import LocalTaskQueue
from nanogrid.errors import BacklogFull, RunNotFound, StoreUnavailable
from records import SUCCEEDED, some_run, some_task
from waiting import until


class Desk:
    """The boxes that a promise goes through, and what SQLite is told meanwhile."""

    def __init__(self, database, run_store, task_queue):
        self.database, self.run_store, self.task_queue = database, run_store, task_queue
        self.acceptance = LocalAcceptance(run_store, task_queue)
        self.statements = []

    async def promise(self):
        run = some_run()
        await self.acceptance.accept(run, some_task(run_id=run.run_id))
        return run

    def said(self, beginning):
        return sum(statement.startswith(beginning) for statement in self.statements)


@asynccontextmanager
async def opened(folder, *, max_backlog=10):
    clock = ManualClock()
    async with open_database(folder / "nanogrid.db", shipped_schema()) as database:
        run_store = LocalRunStore(database, clock, history_limit=1000)
        await run_store.load()
        journal = TaskJournal(database)
        task_queue = LocalTaskQueue(
            journal, clock, lease_s=30.0, max_backlog=max_backlog, max_backlog_bytes=1024 * 1024
        )
        await task_queue.load()
        desk = Desk(database, run_store, task_queue)
        await database.write(lambda connection: connection.set_trace_callback(desk.statements.append))
        desk.statements.clear()
        yield desk
        task_queue.close()
        await run_store.close()
        await journal.close()


async def test_a_promise_takes_one_commit(tmp_path):
    async with opened(tmp_path) as desk:
        await desk.promise()

        assert desk.said("COMMIT") == 1


async def test_a_promise_survives_a_crash_with_its_task(tmp_path):
    async with opened(tmp_path) as desk:
        run = await desk.promise()
        shutil.copytree(tmp_path, tmp_path / "after")
    async with opened(tmp_path / "after") as desk:
        kept = await desk.run_store.get(run.run_id)
        (lease,) = await desk.task_queue.receive(limit=10, wait_s=0)

    assert (kept.run_id, lease.task.run_id, lease.attempt) == (run.run_id, run.run_id, 1)


async def test_what_there_is_no_room_for_is_refused_before_anything_is_written(tmp_path):
    async with opened(tmp_path, max_backlog=1) as desk:
        await desk.promise()
        desk.statements.clear()
        with pytest.raises(BacklogFull):
            await desk.promise()

        assert desk.statements == []


async def test_a_promise_that_the_disk_refuses_leaves_no_run(tmp_path):
    run = some_run(input=Raw(b'"' + b"x" * 100_000 + b'"'))
    async with opened(tmp_path) as desk:
        await desk.database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1"))
        with pytest.raises(StoreUnavailable):
            await desk.acceptance.accept(run, some_task(run_id=run.run_id))
        with pytest.raises(RunNotFound):
            await desk.run_store.get(run.run_id)


async def test_a_caller_who_is_gone_leaves_both_or_neither(tmp_path):
    run = some_run()
    async with opened(tmp_path) as desk:
        taking = asyncio.create_task(desk.acceptance.accept(run, some_task(run_id=run.run_id)))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        (lease,) = await desk.task_queue.receive(limit=10, wait_s=5)

        assert (await desk.run_store.get(run.run_id)).run_id == lease.task.run_id


async def test_a_run_that_ends_at_once_is_written_when_it_is_promised_and_when_it_ends(tmp_path):
    async with opened(tmp_path) as desk:
        run = await desk.promise()
        (lease,) = await desk.task_queue.receive(limit=1, wait_s=0)
        await desk.run_store.start(run.run_id, lease.attempt)
        await desk.run_store.finish(run.run_id, lease.attempt, SUCCEEDED)
        await desk.task_queue.ack(lease)
    runs, fares = desk.said("INSERT INTO runs"), desk.said("INSERT OR REPLACE INTO task_fares")

    assert (runs, fares) == (2, 0)


async def test_a_run_that_goes_on_is_known_to_have_begun(tmp_path):
    async with opened(tmp_path) as desk:
        run = await desk.promise()
        (lease,) = await desk.task_queue.receive(limit=1, wait_s=0)
        await desk.run_store.start(run.run_id, lease.attempt)
        await until(lambda: desk.said("INSERT INTO runs") == 2 and desk.said("INSERT OR REPLACE INTO task_fares"))
        shutil.copytree(tmp_path, tmp_path / "after")
    async with opened(tmp_path / "after") as desk:
        (again,) = await desk.task_queue.receive(limit=1, wait_s=0)

    assert (again.attempt, again.failures) == (2, 1)


async def test_what_an_earlier_grid_left_is_noted_before_it_runs_again(tmp_path):
    async with opened(tmp_path) as desk:
        await desk.promise()
    async with opened(tmp_path) as desk:
        (lease,) = await desk.task_queue.receive(limit=1, wait_s=0)
        await desk.run_store.start(lease.task.run_id, lease.attempt)
        # One commit later, whoever's it is, both are on disk: no timer has to run out.
        await desk.promise()
        noted = desk.said("INSERT INTO runs"), desk.said("INSERT OR REPLACE INTO task_fares")

    assert noted[1] == 1
    assert noted[0] >= 1
