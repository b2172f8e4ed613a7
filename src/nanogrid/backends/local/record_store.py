"""The record store in SQLite."""

import secrets
import sqlite3
from functools import partial
from typing import NamedTuple

from msgspec import Raw

from nanogrid.backends.cursors import record_name_from, to_cursor
from nanogrid.backends.local.database import Database
from nanogrid.errors import RevisionConflict
from nanogrid.model import StoredRecord
from nanogrid.ports import Page, RecordStore
from nanogrid.ports.record_rules import check_kind, check_name, check_value

#: Sorts behind every character that a name can have.
_AFTER_ALL = "\x7f"


class _Place(NamedTuple):
    kind: str
    name: str


class LocalRecordStore(RecordStore):
    """The table `records`."""

    def __init__(self, database: Database) -> None:
        """Nothing is read yet."""
        self._database = database

    async def get(self, kind: str, name: str) -> StoredRecord | None:
        """See the port."""
        return await self._database.read(partial(_select, place=_place(kind, name)))

    async def put(self, kind: str, name: str, value: Raw, *, revision: str | None) -> StoredRecord:
        """See the port."""
        place = _place(kind, name)
        check_value(value)
        record = StoredRecord(kind=kind, name=name, value=value, revision=secrets.token_hex(8))
        work = _insert if revision is None else partial(_replace, seen=revision)
        await self._database.write(partial(work, place=place, record=record))
        return record

    async def delete(self, kind: str, name: str, *, revision: str | None = None) -> None:
        """See the port."""
        await self._database.write(partial(_delete, place=_place(kind, name), seen=revision))

    async def list_records(
        self, kind: str, *, prefix: str = "", limit: int, cursor: str | None = None
    ) -> Page[StoredRecord]:
        """See the port."""
        check_kind(kind)
        if prefix:
            check_name(prefix)
        after = "" if cursor is None else record_name_from(cursor, prefix)
        select = partial(_select_page, kind=kind, prefix=prefix, after=after, limit=limit + 1)
        found = await self._database.read(select)
        page = found[:limit]
        more = len(found) > limit and bool(page)
        return Page(items=page, next_cursor=to_cursor(page[-1].name) if more else None)


def _place(kind: str, name: str) -> _Place:
    check_kind(kind)
    check_name(name)
    return _Place(kind, name)


def _select(connection: sqlite3.Connection, *, place: _Place) -> StoredRecord | None:
    select = "SELECT value, revision FROM records WHERE kind = ? AND name = ?"
    row = connection.execute(select, place).fetchone()
    return None if row is None else StoredRecord(kind=place.kind, name=place.name, value=Raw(row[0]), revision=row[1])


def _select_page(
    connection: sqlite3.Connection, *, kind: str, prefix: str, after: str, limit: int
) -> list[StoredRecord]:
    select = (
        "SELECT name, value, revision FROM records "
        "WHERE kind = ? AND name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?"
    )
    rows = connection.execute(select, (kind, prefix, prefix + _AFTER_ALL, after, limit))
    return [StoredRecord(kind=kind, name=name, value=Raw(value), revision=revision) for name, value, revision in rows]


def _insert(connection: sqlite3.Connection, *, place: _Place, record: StoredRecord) -> None:
    insert = "INSERT OR IGNORE INTO records (kind, name, value, revision) VALUES (?, ?, ?, ?)"
    values = (*place, bytes(record.value), record.revision)
    _expect_one(connection.execute(insert, values), place)


def _replace(connection: sqlite3.Connection, *, place: _Place, record: StoredRecord, seen: str) -> None:
    update = "UPDATE records SET value = ?, revision = ? WHERE kind = ? AND name = ? AND revision = ?"
    values = (bytes(record.value), record.revision, *place, seen)
    _expect_one(connection.execute(update, values), place)


def _delete(connection: sqlite3.Connection, *, place: _Place, seen: str | None) -> None:
    found = _select(connection, place=place)
    if found is None:
        return
    if seen not in (None, found.revision):
        raise _conflict(place)
    connection.execute("DELETE FROM records WHERE kind = ? AND name = ?", place)


def _expect_one(cursor: sqlite3.Cursor, place: _Place) -> None:
    if cursor.rowcount != 1:
        raise _conflict(place)


def _conflict(place: _Place) -> RevisionConflict:
    return RevisionConflict(
        f"the {place.kind} {place.name!r} was changed meanwhile.", hint="Read it again and repeat the change."
    )
