"""A table that follows memory: changes by key, the last one wins, written in groups."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from nanogrid.backends.local.database import Database

V = TypeVar("V")
#: What becomes of each key; None is its end.
Changes = dict[str, V | None]
#: Hears that a change is on disk, or why it is not.
Done = Callable[[BaseException | None], None]

#: How long a change that nobody waits for may stay in memory, in seconds, and after a failure.
_FLUSH_S = 0.15
_RETRY_S = 1.0
#: How many changes, or bytes of them, go out at once instead.
_FLUSH_COUNT = 500
_FLUSH_BYTES = 8 * 1024 * 1024
#: From here on whoever adds changes must wait for the disk.
_FULL_COUNT = 5_000
_FULL_BYTES = 64 * 1024 * 1024

#: Rows in one statement: SQLite works through them without the interpreter's lock. Few sizes, so that it finds each
#: statement prepared; and none too large, because putting it together holds the lock, and so the event loop up.
_BULKS = (128, 64, 32, 16, 8, 4, 2, 1)


class _Batch(Generic[V]):
    def __init__(self) -> None:
        self.changes: Changes[V] = {}
        #: Keys whose change somebody waits for.
        self.awaited: set[str] = set()
        #: Who waits, each with what is to be done before.
        self.waiters: list[tuple[asyncio.Future[None], Done | None]] = []
        self.weight = 0

    def tell(self, error: BaseException | None) -> None:
        """Let everybody who waits know; whoever has been cancelled meanwhile has its `done` called all the same."""
        for future, done in self.waiters:
            if done is not None:
                done(error)
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()  # nobody has to wait for it


class Mirror(Generic[V]):
    """The changes that memory has and the table has not.

    A change by `write` goes out at once, and is its caller's to repair where the disk refuses it. A change by `put`
    goes out soon, or with whatever goes out before, and is kept until the disk takes it. A change by `defer` goes out
    as late as that allows, so that most are overtaken by the next one of their key, and never written.
    """

    def __init__(
        self,
        database: Database,
        save: Callable[[sqlite3.Connection, Changes[V]], None],
        on_saved: Callable[[Changes[V]], None] | None = None,
    ) -> None:
        """`save` writes changes into the table; `on_saved` hears which are on disk now."""
        self._database = database
        self._save = save
        self._on_saved = on_saved
        self._dirty = _Batch[V]()
        self._deferred: Changes[V] = {}
        self._flying: _Batch[V] | None = None
        # The flush that will take what is dirty, and the one that is being written.
        self._next: asyncio.Future[None] | None = None
        self._current: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deferral: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether the disk does not keep up, so that more changes have to wait: `await flush()`."""
        flying = self._flying
        count, weight = len(self._dirty.changes), self._dirty.weight
        if flying is not None:
            count, weight = count + len(flying.changes), weight + flying.weight
        return count >= _FULL_COUNT or weight >= _FULL_BYTES

    def put(self, key: str, value: V | None, *, weight: int = 0, at_once: bool = False) -> None:
        """Write the change soon, or `at_once`; `weight` is what it holds in memory until then, in bytes."""
        self._add(key, value, weight)
        self._dirty.awaited.discard(key)
        if at_once or len(self._dirty.changes) >= _FLUSH_COUNT or self._dirty.weight >= _FLUSH_BYTES:
            self._enlist()
        else:
            self._flush_within(_FLUSH_S)

    def defer(self, key: str, value: V) -> None:
        """Write the change as late as a change by `put` is written at the latest, unless another comes before."""
        self._deferred[key] = value
        if self._deferral is None:
            self._deferral = asyncio.get_running_loop().call_later(_FLUSH_S, self._write_deferred)

    def write(self, key: str, value: V | None, *, weight: int = 0, done: Done | None = None) -> asyncio.Future[None]:
        """Write the change now. The future is done when it is on disk; cancelling it does not stop the change.

        `done` is called before that, in any case.
        """
        self._add(key, value, weight)
        self._dirty.awaited.add(key)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dirty.waiters.append((future, done))
        self._enlist()
        return future

    async def flush(self) -> None:
        """Return when every change so far is on disk. Raises `StoreUnavailable`."""
        self._take_deferred()
        flush = self._enlist() if self._dirty.changes else self._current
        if flush is not None:
            await asyncio.shield(flush)

    async def close(self) -> None:
        """Write what there is; nothing may be added any more. Raises `StoreUnavailable` where that fails."""
        try:
            await self.flush()
        finally:
            for timer in (self._timer, self._deferral):
                if timer is not None:
                    timer.cancel()

    def _write_deferred(self) -> None:
        self._deferral = None
        self._take_deferred()
        if self._dirty.changes:
            self._enlist()

    def _take_deferred(self) -> None:
        deferred, self._deferred = self._deferred, {}
        self._dirty.changes.update(deferred)
        self._dirty.awaited -= deferred.keys()

    def _add(self, key: str, value: V | None, weight: int) -> None:
        self._deferred.pop(key, None)
        self._dirty.changes[key] = value
        self._dirty.weight += weight

    def _flush_within(self, seconds: float) -> None:
        if self._timer is None and self._next is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._enlist)

    def _enlist(self) -> asyncio.Future[None]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is None:
            self._next = self._database.submit(self._seal, self._settle, size=self._sealed)
        return self._next

    def _seal(self) -> Callable[[sqlite3.Connection], None]:
        self._flying, self._dirty = self._dirty, _Batch[V]()
        self._current, self._next = self._next, None
        changes = self._flying.changes
        return lambda connection: self._save(connection, changes)

    def _sealed(self) -> int:
        return len(self._flying.changes) if self._flying is not None else 0

    def _settle(self, flush: asyncio.Future[None]) -> None:
        flown, self._flying, self._current = self._flying, None, None
        assert flown is not None  # noqa: S101 - what settles has been sealed
        error = flush.exception()
        if error is not None:
            self._keep(flown)
        elif self._on_saved is not None:
            self._on_saved(flown.changes)
        flown.tell(error)

    def _keep(self, flown: _Batch[V]) -> None:
        """The disk has refused these: what nobody waited for is tried again, where nothing has come after it."""
        kept = {key: value for key, value in flown.changes.items() if key not in flown.awaited}
        self._dirty.changes = kept | self._dirty.changes
        self._dirty.weight += flown.weight
        if self._dirty.changes:
            self._flush_within(_RETRY_S)


def put_rows(
    connection: sqlite3.Connection, insert: str, rows: Iterable[tuple[object, ...]], *, conflict: str = ""
) -> None:
    """Execute `insert`, an INSERT that ends before its VALUES, for all rows, in few statements.

    `conflict` is what is to be done where a row is there already. Rows that are made on the way are made bulk by bulk.
    """
    for bulk in _in_bulks(rows):
        row = f"({', '.join('?' * len(bulk[0]))})"
        values = [value for row_values in bulk for value in row_values]
        connection.execute(f"{insert} VALUES {', '.join([row] * len(bulk))} {conflict}", values)


def delete_keys(connection: sqlite3.Connection, delete: str, keys: Iterable[str]) -> None:
    """Execute `delete`, a DELETE that ends before its list of keys, for all keys, in few statements."""
    for bulk in _in_bulks(keys):
        connection.execute(f"{delete} ({', '.join('?' * len(bulk))})", bulk)


B = TypeVar("B")


def _in_bulks(items: Iterable[B]) -> Iterator[Sequence[B]]:
    left = iter(items)
    while chunk := list(islice(left, _BULKS[0])):
        start = 0
        for size in _BULKS:
            if len(chunk) - start >= size:
                yield chunk[start : start + size]
                start += size
