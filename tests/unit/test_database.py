"""The database of the local backend: group commit, failures that stay apart, migrations, one grid per folder."""

import asyncio
import os
import sqlite3

import pytest

from nanogrid.backends.local import open_local
from nanogrid.backends.local.database import open_database
from nanogrid.backends.local.folder_lock import locked_folder
from nanogrid.backends.local.schema import Schema, shipped_schema
from nanogrid.clock import Clock
from nanogrid.errors import ConfigError, NameTaken, StoreUnavailable

SCHEMA = Schema("CREATE TABLE notes (text TEXT UNIQUE);", {})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test.db"


def insert(text):
    return lambda connection: connection.execute("INSERT INTO notes VALUES (?)", (text,)).rowcount


def notes(connection):
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def fill_disk(connection):
    connection.execute("PRAGMA max_page_count = 1")  # no further page than there are


def free_disk(connection):
    connection.execute("PRAGMA max_page_count = 1000000")


# Group commit


async def test_a_write_returns_what_the_work_returns_and_a_read_sees_it(path):
    async with open_database(path, SCHEMA) as database:
        result = await database.write(insert("a"))
        found = await database.read(notes)

    assert (result, found) == (1, ["a"])


async def test_what_gathers_while_a_group_is_written_is_one_transaction(path):
    statements = []
    async with open_database(path, SCHEMA) as database:
        await database.write(lambda connection: connection.set_trace_callback(statements.append))
        statements.clear()
        await asyncio.gather(*(database.write(insert(str(n))) for n in range(100)))

    assert (statements.count("BEGIN IMMEDIATE"), statements.count("COMMIT")) == (1, 1)


async def test_what_was_written_is_in_the_file_when_write_returns(path):
    async with open_database(path, SCHEMA) as database:
        await database.write(insert("a"))
        other = sqlite3.connect(path)
        found = notes(other)
        other.close()

    assert found == ["a"]


async def test_a_change_that_fails_does_not_spoil_its_group(path):
    def half(connection):
        insert("half")(connection)
        raise NameTaken("taken")

    async with open_database(path, SCHEMA) as database:
        works = [insert("a"), insert("a"), half, insert("b")]
        results = await asyncio.gather(*map(database.write, works), return_exceptions=True)
        found = await database.read(notes)

    assert [type(result) for result in results] == [int, StoreUnavailable, NameTaken, int]
    assert found == ["a", "b"]


def faulty(_connection):
    return 1 // 0


async def test_a_faulty_change_reaches_its_caller_and_the_writer_goes_on(path):
    async with open_database(path, SCHEMA) as database:
        with pytest.raises(ZeroDivisionError):
            await database.write(faulty)
        await database.write(insert("a"))

        assert await database.read(notes) == ["a"]


async def test_a_full_disk_is_told_to_everybody_and_heals_by_itself(path):
    async with open_database(path, SCHEMA) as database:
        await database.write(fill_disk)
        works = [insert("x" * 10_000 + str(n)) for n in range(3)]
        results = await asyncio.gather(*map(database.write, works), return_exceptions=True)
        await database.write(free_disk)
        await database.write(insert("a"))
        found = await database.read(notes)

    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert "Free some disk space" in str(results[0])
    assert found == ["a"]


async def test_a_change_is_made_and_heard_of_even_where_its_caller_is_cancelled(path):
    heard = []
    async with open_database(path, SCHEMA) as database:
        writing = asyncio.create_task(database.write(insert("a"), lambda done: heard.append(done.result())))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    async with open_database(path, SCHEMA) as database:
        found = await database.read(notes)

    assert (heard, found) == ([1], ["a"])


async def test_closing_writes_what_waits(path):
    async with open_database(path, SCHEMA) as database:
        for n in range(3):
            database.submit(lambda n=n: insert(str(n)))
    async with open_database(path, SCHEMA) as database:
        assert await database.read(notes) == ["0", "1", "2"]


async def test_a_closed_database_says_so(path):
    async with open_database(path, SCHEMA) as database:
        pass
    for call in (database.write, database.read):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call(notes)


async def test_commits_are_synced_and_only_the_writer_checkpoints(path):
    def settings(connection):
        names = ("journal_mode", "synchronous", "wal_autocheckpoint", "query_only")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    full = 2
    async with open_database(path, SCHEMA) as database:
        writer, reader = await database.write(settings), await database.read(settings)

    assert writer == ["wal", full, 1000, 0]
    assert reader[2:] == [0, 1]


async def test_a_file_that_is_no_database_is_not_touched(path):
    path.write_bytes(b"precious " * 1000)
    with pytest.raises(StoreUnavailable, match="opening the database"):
        async with open_database(path, SCHEMA):
            pass

    assert path.read_bytes() == b"precious " * 1000


# Migrations

SECOND = Schema("CREATE TABLE notes (text TEXT, author TEXT);", {2: "ALTER TABLE notes ADD COLUMN author TEXT;"})
BROKEN = Schema("", {2: "ALTER TABLE notes ADD COLUMN author TEXT; SELECT * FROM nowhere;"})


def rows(connection):
    return connection.execute("SELECT * FROM notes").fetchall()


async def test_a_new_file_has_the_newest_shape_at_once(path):
    async with open_database(path, SECOND) as database:
        version = await database.read(lambda connection: connection.execute("PRAGMA user_version").fetchone())

    assert version == (2,)
    assert list(path.parent.glob("*.version-*")) == []


async def test_an_older_file_is_migrated_and_kept_beside(path):
    async with open_database(path, SCHEMA) as database:
        await database.write(insert("a"))
    async with open_database(path, SECOND) as database:
        found = await database.read(rows)
    kept = sqlite3.connect(path.with_name("test.db.version-1"))
    found_before = rows(kept)
    kept.close()

    assert (found, found_before) == ([("a", None)], [("a",)])


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path):
    async with open_database(path, SCHEMA) as database:
        await database.write(insert("a"))
    with pytest.raises(StoreUnavailable, match="nowhere"):
        async with open_database(path, BROKEN):
            pass
    async with open_database(path, SCHEMA) as database:
        assert await database.read(rows) == [("a",)]


async def test_an_older_program_refuses_a_newer_file(path):
    async with open_database(path, SECOND):
        pass
    with pytest.raises(ConfigError, match="has version 2; this program knows versions up to 1"):
        async with open_database(path, SCHEMA):
            pass


def test_the_shipped_migrations_are_numbered_without_gaps():
    schema = shipped_schema()

    assert sorted(schema.migrations) == list(range(2, schema.version + 1))


# One grid per folder


async def test_a_second_grid_on_the_folder_is_refused_and_told_who_has_it(tmp_path):
    async with open_local(tmp_path / "data", Clock()):
        with pytest.raises(ConfigError, match=f"in use by the process {os.getpid()}"):
            async with open_local(tmp_path / "data", Clock()):
                pass


def test_the_folder_is_free_when_its_grid_has_ended(tmp_path):
    for _ in range(2):
        with locked_folder(tmp_path / "deep" / "data"):
            assert (tmp_path / "deep" / "data").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_a_setting_that_is_wrong(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"), locked_folder(tmp_path / "file" / "data"):
        pass
