"""The durable half of the task queue: which tasks there are, how each has fared, and which are dead."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec import structs

from nanogrid.backends.lanes import QueuedTask
from nanogrid.backends.local.database import Database
from nanogrid.backends.local.mirror import Changes, Done, Mirror, delete_keys, put_rows
from nanogrid.errors import DeadLetterNotFound
from nanogrid.model import DeadLetter, Record, RunStatus, Task

_encoder = msgspec.json.Encoder()
_task_decoder = msgspec.json.Decoder(Task)
_letter_decoder = msgspec.json.Decoder(DeadLetter)


class _Begun(Record, frozen=True, kw_only=True):
    """What of a run tells whether an attempt had begun."""

    status: RunStatus
    attempt: int


_begun_decoder = msgspec.json.Decoder(_Begun)


class _Fare(NamedTuple):
    """How a task has fared."""

    #: Only where the task itself is not in the journal yet.
    task: Task | None
    attempt: int = 0
    failures: int = 0
    leased: bool = False
    #: Whether it may have been a dead letter.
    risen: bool = False


class TaskJournal:
    """The tables `tasks`, `task_fares` and `dead_letters`."""

    def __init__(self, database: Database) -> None:
        """Nothing is read until `tasks` is called."""
        self._database = database
        self._mirror = Mirror(database, _save)

    async def close(self) -> None:
        """Write what is not on disk yet."""
        await self._mirror.close()

    async def tasks(self) -> list[QueuedTask]:
        """All tasks, oldest first.

        One that was leased when the last grid ended counts that as a failure, unless its attempt had not even begun.
        """
        return await self._database.read(_select_tasks)

    def add(self, entry: QueuedTask, done: Done) -> asyncio.Future[None]:
        """Write a new task; the future is done when it is on disk, and `done` is called before in any case."""
        weight = len(memoryview(entry.task.input))
        return self._mirror.write(entry.task.run_id, _Fare(entry.task), weight=weight, done=done)

    async def flush(self) -> None:
        """Return when all is on disk."""
        await self._mirror.flush()

    def restore(self, entry: QueuedTask) -> None:
        """Write soon a task that the journal has lost, or may have."""
        self._mirror.put(entry.task.run_id, _whole(entry))

    def note_lease(self, entry: QueuedTask) -> None:
        """Write that the task has been handed out: soon, so that one that is done by then is never written about.

        One that has been on the disk before, or has fared, at once: it may have killed the grid, and is known by this.
        """
        if entry.attempt > 1 or entry.taken_up:
            self._mirror.write(entry.task.run_id, _fare(entry))
        else:
            self._mirror.defer(entry.task.run_id, _fare(entry))

    def note_return(self, entry: QueuedTask) -> None:
        """Write soon how the task has fared."""
        self._mirror.put(entry.task.run_id, _fare(entry))

    def remove(self, run_id: str) -> None:
        """Forget the task soon; coming back after a crash does no harm, since its run has ended."""
        self._mirror.put(run_id, None)

    async def bury(self, entry: QueuedTask, letter: DeadLetter, done: Callable[[asyncio.Future[None]], None]) -> None:
        """Move the task to the dead letters. Atomic; `done` hears the outcome even where the caller is cancelled."""
        # Both are in one group, and the mirror has nothing left of the task that could undo a redrive.
        self._mirror.write(entry.task.run_id, None)
        await self._database.write(partial(_bury, entry=entry, letter=letter), done)

    async def exhume(self, run_id: str, now: datetime, done: Callable[[asyncio.Future[QueuedTask]], None]) -> None:
        """Make the dead letter a task again, its failures forgotten. Atomic. Raises `DeadLetterNotFound`."""
        await self._database.write(partial(_exhume, run_id=run_id, now=now), done)

    async def unburied(self) -> list[str]:
        """Ids of the dead runs that have neither a letter nor a task."""
        return await self._database.read(_select_unburied)

    async def letters(self, *, tenant: str, limit: int, before: int) -> list[tuple[int, DeadLetter]]:
        """The tenant's numbered dead letters, newest first, up to `limit` with smaller numbers than `before`."""
        return await self._database.read(partial(_select_letters, tenant=tenant, limit=limit, before=before))


def _fare(entry: QueuedTask) -> _Fare:
    return _Fare(None, entry.attempt, entry.failures, bool(entry.receipt))


def _whole(entry: QueuedTask) -> _Fare:
    return _Fare(entry.task, entry.attempt, entry.failures, bool(entry.receipt), risen=True)


def _save(connection: sqlite3.Connection, changes: Changes[_Fare]) -> None:
    tasks = ((run_id, _encoder.encode(fare.task)) for run_id, fare in changes.items() if fare and fare.task)
    # One that was never handed out has not fared at all.
    fares = [(run_id, *fare[1:4]) for run_id, fare in changes.items() if fare and fare.attempt]
    gone = [run_id for run_id, fare in changes.items() if not fare]
    put_rows(connection, "INSERT OR REPLACE INTO tasks (run_id, record)", tasks)
    put_rows(connection, "INSERT OR REPLACE INTO task_fares (run_id, attempt, failures, leased)", fares)
    # What is on the queue is no dead letter.
    risen = [run_id for run_id, fare in changes.items() if fare and fare.risen]
    delete_keys(connection, "DELETE FROM dead_letters WHERE run_id IN", risen)
    delete_keys(connection, "DELETE FROM tasks WHERE run_id IN", gone)
    delete_keys(connection, "DELETE FROM task_fares WHERE run_id IN", gone)


def _select_tasks(connection: sqlite3.Connection) -> list[QueuedTask]:
    rows = connection.execute(
        "SELECT tasks.record, ifnull(attempt, 0), ifnull(failures, 0), ifnull(leased, 0), "
        "CASE WHEN leased THEN runs.record END "
        "FROM tasks LEFT JOIN task_fares USING (run_id) LEFT JOIN runs USING (run_id) ORDER BY run_id"
    )
    return [
        QueuedTask(
            _task_decoder.decode(record),
            durable=True,
            attempt=attempt,
            failures=failures + (leased and _had_begun(run, attempt)),
            taken_up=True,
        )
        for record, attempt, failures, leased, run in rows
    ]


def _had_begun(record: bytes | None, attempt: int) -> bool:
    """Whether that attempt at the run was on its way in a sandbox, as far as is known."""
    if record is None:
        return True
    run = _begun_decoder.decode(record)
    return run.status is not RunStatus.QUEUED and run.attempt == attempt


def _bury(connection: sqlite3.Connection, *, entry: QueuedTask, letter: DeadLetter) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO dead_letters (run_id, record, task, attempt, tenant) VALUES (?, ?, ?, ?, ?)",
        (letter.run_id, _encoder.encode(letter), _encoder.encode(entry.task), entry.attempt, letter.tenant),
    )


def _exhume(connection: sqlite3.Connection, *, run_id: str, now: datetime) -> QueuedTask:
    select = "SELECT task, attempt FROM dead_letters WHERE run_id = ?"
    row = connection.execute(select, (run_id,)).fetchone()
    if row is None:
        raise DeadLetterNotFound(f"no dead letter belongs to the run {run_id[:80]!r}.")
    task = structs.replace(_task_decoder.decode(row[0]), enqueued_at=now)
    entry = QueuedTask(task, durable=True, attempt=row[1])
    _save(connection, {run_id: _whole(entry)})
    return entry


def _select_unburied(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT run_id FROM runs WHERE status = 'dead' "
        "AND run_id NOT IN (SELECT run_id FROM dead_letters) AND run_id NOT IN (SELECT run_id FROM tasks)"
    )
    return [run_id for (run_id,) in rows]


def _select_letters(
    connection: sqlite3.Connection, *, tenant: str, limit: int, before: int
) -> list[tuple[int, DeadLetter]]:
    select = "SELECT number, record FROM dead_letters WHERE tenant = ? AND number < ? ORDER BY number DESC LIMIT ?"
    rows = connection.execute(select, (tenant, before, limit))
    return [(number, _letter_decoder.decode(record)) for number, record in rows]
