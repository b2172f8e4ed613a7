"""The registry in SQLite, with the latest version of every function in memory.

Memory follows the disk: it learns of a change when that is committed, so `get` on the hot path is a look-up.
"""

import asyncio
import sqlite3
from bisect import bisect_right, insort
from collections import defaultdict
from functools import partial

import msgspec

from nanogrid.backends.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.backends.local.database import Database
from nanogrid.errors import FunctionNotFound, NameTaken, RevisionConflict
from nanogrid.identifiers import is_function_name
from nanogrid.model import DEFAULT_TENANT, Function
from nanogrid.ports import Page, Registry

#: Versions before the latest that stay in memory; runs that wait on the queue still ask for them.
_OLDER_KEPT = 1_000

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Function)


class _Names:
    """One tenant's functions by name."""

    __slots__ = ("by_name", "in_order")

    def __init__(self) -> None:
        self.by_name: dict[str, Function] = {}
        #: The names in order, for listing.
        self.in_order: list[str] = []


class LocalRegistry(Registry):
    """The tables `functions` and `versions`."""

    def __init__(self, database: Database) -> None:
        """Call `load` before anything else."""
        self._database = database
        self._by_id: dict[str, Function] = {}
        self._tenants: defaultdict[str, _Names] = defaultdict(_Names)
        self._older: dict[tuple[str, int], Function] = {}

    async def load(self) -> None:
        """Read the latest version of every function into memory."""
        for function in await self._database.read(_select_latest):
            self._remember(function)

    async def create(self, function: Function) -> None:
        """See the port."""
        await self._database.write(partial(_insert, function=function), partial(self._written, function))

    async def update(self, function: Function) -> None:
        """See the port."""
        await self._database.write(partial(_insert_next, function=function), partial(self._written, function))

    async def get(self, reference: str, version: int | None = None, *, tenant: str = DEFAULT_TENANT) -> Function:
        """See the port. No I/O, but for a version that is neither the latest nor lately asked for."""
        function = self._by_id.get(reference)
        if function is None and tenant in self._tenants:
            function = self._tenants[tenant].by_name.get(reference)
        if function is None or function.tenant != tenant:
            raise _no_function(reference)
        if version is None or version == function.version:
            return function
        return self._older.get((function.function_id, version)) or await self._read_older(function, version)

    async def list_functions(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[Function]:
        """See the port. No I/O."""
        after = None if cursor is None else _name_from(cursor)
        names = self._tenants[tenant] if tenant in self._tenants else _Names()
        start = 0 if after is None else bisect_right(names.in_order, after)
        page = names.in_order[start : start + limit]
        more = start + limit < len(names.in_order) and bool(page)
        return Page(items=[names.by_name[name] for name in page], next_cursor=to_cursor(page[-1]) if more else None)

    async def versions(self, function_id: str) -> list[Function]:
        """See the port."""
        if function_id not in self._by_id:
            raise _no_function(function_id)
        return await self._database.read(partial(_select_versions, function_id=function_id))

    async def delete(self, function_id: str) -> list[str]:
        """See the port."""
        return await self._database.write(
            partial(_delete, function_id=function_id), partial(self._deleted, function_id)
        )

    async def uses(self, code_sha256: str) -> bool:
        """See the port."""
        return await self._database.read(partial(_is_used, code_sha256=code_sha256))

    def _remember(self, function: Function) -> None:
        names = self._tenants[function.tenant]
        if function.name not in names.by_name:
            insort(names.in_order, function.name)
        self._by_id[function.function_id] = names.by_name[function.name] = function

    def _written(self, function: Function, done: asyncio.Future[None]) -> None:
        if done.exception() is None:
            self._remember(function)

    def _deleted(self, function_id: str, done: asyncio.Future[list[str]]) -> None:
        if done.exception() is not None:
            return
        function = self._by_id.pop(function_id)
        names = self._tenants[function.tenant]
        del names.by_name[function.name]
        del names.in_order[bisect_right(names.in_order, function.name) - 1]
        if not names.by_name:
            del self._tenants[function.tenant]

    async def _read_older(self, latest: Function, version: int) -> Function:
        select = partial(_select_version, function_id=latest.function_id, version=version)
        function = await self._database.read(select)
        if function is None:
            raise FunctionNotFound(
                f"the function {latest.name!r} has no version {version}.", hint=f"The latest is {latest.version}."
            )
        self._older[latest.function_id, version] = function
        if len(self._older) > _OLDER_KEPT:
            del self._older[next(iter(self._older))]
        return function


def _no_function(reference: str) -> FunctionNotFound:
    return FunctionNotFound(
        f"no function has the id or name {reference[:80]!r}.", reference=reference, hint="GET /functions lists all."
    )


def _name_from(cursor: str) -> str:
    name = from_cursor(cursor)
    if not is_function_name(name):
        raise foreign_cursor(cursor)
    return name


def _select_latest(connection: sqlite3.Connection) -> list[Function]:
    rows = connection.execute(
        "SELECT record FROM functions JOIN versions USING (function_id) WHERE version = latest ORDER BY name"
    )
    return [_decoder.decode(record) for (record,) in rows]


def _select_version(connection: sqlite3.Connection, *, function_id: str, version: int) -> Function | None:
    select = "SELECT record FROM versions WHERE function_id = ? AND version = ?"
    row = connection.execute(select, (function_id, version)).fetchone()
    return None if row is None else _decoder.decode(row[0])


def _select_versions(connection: sqlite3.Connection, *, function_id: str) -> list[Function]:
    select = "SELECT record FROM versions WHERE function_id = ? ORDER BY version DESC"
    return [_decoder.decode(record) for (record,) in connection.execute(select, (function_id,))]


def _is_used(connection: sqlite3.Connection, *, code_sha256: str) -> bool:
    select = "SELECT 1 FROM versions WHERE code_sha256 = ? LIMIT 1"
    return connection.execute(select, (code_sha256,)).fetchone() is not None


def _insert(connection: sqlite3.Connection, *, function: Function) -> None:
    try:
        connection.execute(
            "INSERT INTO functions (function_id, tenant, name, latest) VALUES (?, ?, ?, ?)",
            (function.function_id, function.tenant, function.name, function.version),
        )
    except sqlite3.IntegrityError as exc:
        raise NameTaken(f"a function {function.name!r} exists.", hint="Update it, or choose another name.") from exc
    _insert_version(connection, function)


def _insert_next(connection: sqlite3.Connection, *, function: Function) -> None:
    row = connection.execute("SELECT latest FROM functions WHERE function_id = ?", (function.function_id,)).fetchone()
    if row is None:
        raise _no_function(function.function_id)
    if row[0] != function.version - 1:
        raise RevisionConflict(
            f"the function {function.name!r} is at version {row[0]}; {function.version} can't follow it.",
            hint="Read it again and repeat the change.",
        )
    connection.execute(
        "UPDATE functions SET latest = ? WHERE function_id = ?", (function.version, function.function_id)
    )
    _insert_version(connection, function)


def _insert_version(connection: sqlite3.Connection, function: Function) -> None:
    connection.execute(
        "INSERT INTO versions (function_id, version, code_sha256, record) VALUES (?, ?, ?, ?)",
        (function.function_id, function.version, function.code_sha256, _encoder.encode(function)),
    )


def _delete(connection: sqlite3.Connection, *, function_id: str) -> list[str]:
    """Delete the function; the digests that nobody uses then."""
    select = "SELECT DISTINCT code_sha256 FROM versions WHERE function_id = ?"
    digests = [digest for (digest,) in connection.execute(select, (function_id,))]
    if connection.execute("DELETE FROM functions WHERE function_id = ?", (function_id,)).rowcount == 0:
        raise _no_function(function_id)
    connection.execute("DELETE FROM versions WHERE function_id = ?", (function_id,))
    return [digest for digest in digests if not _is_used(connection, code_sha256=digest)]
