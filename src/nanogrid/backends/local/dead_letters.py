"""The dead letters, in the task queue's journal."""

import asyncio
from functools import partial

from nanogrid.backends.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.backends.lanes import QueuedTask
from nanogrid.backends.local.task_journal import TaskJournal
from nanogrid.backends.local.task_queue import LocalTaskQueue
from nanogrid.clock import Clock
from nanogrid.model import DEFAULT_TENANT, DeadLetter, Lease
from nanogrid.ports import DeadLetters, Page

#: Above every number that SQLite gives out.
_NEWEST = 2**63 - 1
_DIGITS = 19


class LocalDeadLetters(DeadLetters):
    """Letters on disk; a task is on the queue or here, never both."""

    def __init__(self, task_queue: LocalTaskQueue, journal: TaskJournal, clock: Clock) -> None:
        """The journal is the task queue's own."""
        self._task_queue = task_queue
        self._journal = journal
        self._clock = clock

    async def bury(self, lease: Lease, reason: str) -> DeadLetter:
        """See the port. The letter is on disk when this returns."""
        entry = self._task_queue.detach(lease)
        letter = DeadLetter(
            run_id=lease.task.run_id,
            function_id=lease.task.function_id,
            tenant=lease.task.tenant,
            reason=reason,
            failures=lease.failures,
            buried_at=self._clock.now(),
        )
        await self._journal.bury(entry, letter, partial(self._buried, entry))
        return letter

    async def list_letters(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[DeadLetter]:
        """See the port."""
        before = _NEWEST if cursor is None else _number_from(cursor)
        rows = await self._journal.letters(tenant=tenant, limit=limit + 1, before=before)
        page = rows[:limit]
        more = len(rows) > limit and bool(page)
        return Page(items=[letter for _, letter in page], next_cursor=to_cursor(str(page[-1][0])) if more else None)

    async def redrive(self, run_id: str) -> None:
        """See the port. The task is durable from now on, and its attempts go on counting."""
        await self._journal.exhume(run_id, self._clock.now(), self._exhumed)

    def _buried(self, entry: QueuedTask, done: asyncio.Future[None]) -> None:
        if done.exception() is not None:
            self._task_queue.reattach(entry)

    def _exhumed(self, done: asyncio.Future[QueuedTask]) -> None:
        if done.exception() is None:
            self._task_queue.admit(done.result())


def _number_from(cursor: str) -> int:
    digits = from_cursor(cursor)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        raise foreign_cursor(cursor)
    return int(digits)
