"""A database that any earlier version wrote is one of today's: what was in it is there, in today's shape."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.backends.local.schema import shipped_schema
from nanogrid.errors import IdempotencyConflict
from nanogrid.model import RunStatus
from records import SUCCEEDED, some_run

WRITTEN = Path(__file__).parent / "databases"
FUNCTION = f"fn_{1:026}"
EARLIER = range(1, shipped_schema().version)


def run_id(number):
    return f"run_{number:026}"


@pytest.fixture(params=EARLIER)
def data(request, tmp_path):
    """A data folder as that version left it."""
    with closing(sqlite3.connect(tmp_path / "nanogrid.db")) as connection:
        connection.executescript((WRITTEN / f"version_{request.param}.sql").read_text())
    return tmp_path


async def test_functions_and_runs_are_as_they_were(data):
    async with open_local(data, ManualClock()) as backend:
        versions = await backend.registry.versions(FUNCTION)
        runs = [await backend.run_store.get(run_id(number)) for number in range(1, 6)]
        listed = (await backend.run_store.list_runs(status=RunStatus.FAILED, limit=10)).items

    assert [(one.version, one.memory_mb, one.environment, one.retries) for one in versions] == [
        (2, 256, {"A": "1"}, 2),
        (1, 128, {"A": "1"}, 2),
    ]
    assert [run.status.value for run in runs] == ["succeeded", "failed", "dead", "queued", "running"]
    assert [run.run_id for run in listed] == [run_id(2)]
    assert bytes(runs[0].output) == bytes(SUCCEEDED.output)


async def test_what_was_promised_goes_on(data):
    async with open_local(data, ManualClock()) as backend:
        leases = await backend.task_queue.receive(limit=10, wait_s=0)
        (letter,) = (await backend.dead_letters.list_letters(limit=10)).items
        await backend.dead_letters.redrive(run_id(3))
        (redriven,) = await backend.task_queue.receive(limit=10, wait_s=0)

    assert {lease.task.run_id: lease.failures for lease in leases} == {run_id(4): 0, run_id(5): 1}
    assert (letter.run_id, letter.reason) == (run_id(3), "gone")
    assert redriven.task.run_id == run_id(3)


async def test_a_key_that_was_used_stands_for_its_run(data):
    async with open_local(data, ManualClock()) as backend:
        again = await backend.run_store.accept(some_run(), durable=True, idempotency=("the key", "the digest"))
        with pytest.raises(IdempotencyConflict):
            await backend.run_store.accept(some_run(), durable=True, idempotency=("the key", "another"))

    assert again.run_id == run_id(1)


async def test_its_shape_is_that_of_a_new_database(data, tmp_path_factory):
    new = tmp_path_factory.mktemp("new")
    for folder in (data, new):
        async with open_local(folder, ManualClock()):
            pass

    assert shape(data) == shape(new)


async def test_what_it_was_before_is_kept_beside_it(data):
    with closing(sqlite3.connect(data / "nanogrid.db")) as connection:
        before = list(connection.iterdump())
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    async with open_local(data, ManualClock()):
        pass
    with closing(sqlite3.connect(data / f"nanogrid.db.version-{version}")) as kept:
        assert list(kept.iterdump()) == before


def shape(folder):
    """Every table's columns and every index, whatever the order they were made in."""
    with closing(sqlite3.connect(folder / "nanogrid.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_xinfo({name})")) for name in names}
        indexes = connection.execute("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL")
        return columns, sorted(indexes), connection.execute("PRAGMA user_version").fetchone()
