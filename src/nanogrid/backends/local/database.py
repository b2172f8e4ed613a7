"""One SQLite file in WAL mode: one writer with group commit, one reader, a thread for each.

While one group is written, the next one gathers; a group is one transaction, on disk when its changes are told done.
Only the writer ever checkpoints: SQLite before 3.51.3 can corrupt a WAL that two connections checkpoint at once.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from nanogrid.backends.local.faults import translated
from nanogrid.backends.local.schema import Schema, migrate
from nanogrid.errors import StoreUnavailable

T = TypeVar("T")
#: Reads or writes with the connection it is given; runs in the connection's thread, and may raise errors of ours.
Work = Callable[[sqlite3.Connection], T]

_BUSY_TIMEOUT_S = 10.0
#: A group of so many rows shows that many write at once; the next one is gathered for so long, in seconds.
_MANY = 12
_GATHER_S = 0.001
_WAL_KEPT_BYTES = 64 * 1024 * 1024


class _Change(Generic[T]):
    """One piece of a group: sealed and settled in the event loop, done in the writer's thread between."""

    def __init__(
        self,
        future: asyncio.Future[T],
        seal: Callable[[], Work[T]],
        done: Callable[[asyncio.Future[T]], None] | None,
        size: Callable[[], int],
    ) -> None:
        self._future = future
        self._seal = seal
        self._done = done
        self._size = size
        #: How many rows it is about, once it is sealed.
        self.size = 0
        self._work: Work[T]
        self._result: T
        self.error: Exception | None = None

    def seal(self) -> None:
        """Fix what will be written."""
        self._work, self.size = self._seal(), self._size()

    def run(self, connection: sqlite3.Connection, doing: str) -> None:
        """Do the work inside a savepoint, so that its failure is undone alone. Raises what ends the whole group."""
        connection.execute("SAVEPOINT change")
        try:
            with translated(doing):
                self._result = self._work(connection)
        except Exception as exc:
            # The writer's loop: a faulty change must not stop the others.
            if not connection.in_transaction:
                raise  # a full disk may end the transaction by itself, and with it everybody's change
            self.error = exc
            connection.execute("ROLLBACK TO change")
        connection.execute("RELEASE change")

    def settle(self) -> None:
        """Tell the outcome: first to `done`, then to whoever awaits."""
        if self.error is None:
            self._future.set_result(self._result)
        else:
            self._future.set_exception(self.error)
            self._future.exception()  # nobody has to wait for it
        if self._done is not None:
            self._done(self._future)


class Database:
    """An open file. Made by `open_database`."""

    def __init__(self, path: Path) -> None:
        """`path` is the file; nothing is opened yet."""
        self._path = path
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="nanogrid-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="nanogrid-reader")
        self._write_connection: sqlite3.Connection | None = None
        self._read_connection: sqlite3.Connection | None = None
        self._waiting: list[_Change[Any]] = []
        self._draining: asyncio.Task[None] | None = None

    async def write(self, work: Work[T], done: Callable[[asyncio.Future[T]], None] | None = None) -> T:
        """Do the work in the next group, and return its result when it is on disk.

        `done` is called before this returns, and also where the caller has been cancelled. Raises what the work
        raises, `StoreUnavailable` for what SQLite raises.
        """
        return await asyncio.shield(self.submit(lambda: work, done))

    def submit(
        self,
        seal: Callable[[], Work[T]],
        done: Callable[[asyncio.Future[T]], None] | None = None,
        *,
        size: Callable[[], int] = lambda: 1,
    ) -> asyncio.Future[T]:
        """Let the next group include what `seal` returns when the group is closed. Never cancel the future.

        `size` tells, asked after `seal`, how many rows that is.
        """
        if self._write_connection is None:
            raise StoreUnavailable(f"the database {self._path} is closed.", hint="The grid is shutting down.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Change(future, seal, done, size))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return future

    async def read(self, work: Work[T]) -> T:
        """Do the work on the reader's connection, which sees all that has been committed and can't write."""
        if self._read_connection is None:
            raise StoreUnavailable(f"the database {self._path} is closed.", hint="The grid is shutting down.")
        call = partial(_read, self._path, self._read_connection, work)
        return await asyncio.get_running_loop().run_in_executor(self._reader, call)

    async def open(self, schema: Schema) -> None:
        """Open the file and migrate it. Raises `ConfigError` where it is newer than the schema."""
        loop = asyncio.get_running_loop()
        self._write_connection = await loop.run_in_executor(self._writer, _open_writer, self._path, schema)
        self._read_connection = await loop.run_in_executor(self._reader, _open_reader, self._path)

    async def close(self) -> None:
        """Write what waits, then close."""
        while self._draining is not None:
            await self._draining
        loop = asyncio.get_running_loop()
        writer, self._write_connection = self._write_connection, None
        reader, self._read_connection = self._read_connection, None
        # The reader first: whoever closes last checkpoints, and that is the writer's alone.
        if reader is not None:
            await loop.run_in_executor(self._reader, reader.close)
        if writer is not None:
            await loop.run_in_executor(self._writer, writer.close)
        self._reader.shutdown()
        self._writer.shutdown()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            for change in group:
                change.seal()
            await loop.run_in_executor(self._writer, self._commit, group)
            for change in group:
                change.settle()
            if sum(change.size for change in group) >= _MANY:
                # Many wait for the disk: each waits a little longer, and they share a commit instead of taking turns.
                await asyncio.sleep(_GATHER_S)
        self._draining = None

    def _commit(self, group: list[_Change[Any]]) -> None:
        """Write the group as one transaction; where that fails, every change of it has failed."""
        connection, doing = self._write_connection, f"writing to the database {self._path}"
        assert connection is not None  # noqa: S101 - `close` waits for the last group
        try:
            with translated(doing):
                connection.execute("BEGIN IMMEDIATE")
                for change in group:
                    change.run(connection, doing)
                connection.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - the writer's loop: whoever waits is told, and the next group served
            for change in group:
                change.error = exc
            with suppress(sqlite3.Error):
                connection.rollback()


@asynccontextmanager
async def open_database(path: Path, schema: Schema) -> AsyncIterator[Database]:
    """An open database for as long as the context lasts. Raises `ConfigError`, `StoreUnavailable`."""
    database = Database(path)
    try:
        await database.open(schema)
        yield database
    finally:
        await database.close()


def _open_writer(path: Path, schema: Schema) -> sqlite3.Connection:
    with translated(f"opening the database {path}"):
        connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
            migrate(connection, path, schema)
        except BaseException:
            connection.close()
            raise
        return connection


def _open_reader(path: Path) -> sqlite3.Connection:
    with translated(f"opening the database {path}"):
        connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection


def _read(path: Path, connection: sqlite3.Connection, work: Work[T]) -> T:
    with translated(f"reading the database {path}"):
        return work(connection)
