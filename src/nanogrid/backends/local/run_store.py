"""The run store: what lives is in memory, what has ended is in SQLite.

A durable run changes in memory when the change is on disk; a plain synchronous one the other way round, its record
is written after the answer, in groups.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from weakref import WeakValueDictionary

from msgspec import structs

from nanogrid.backends.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.backends.local import run_table
from nanogrid.backends.local.database import Database
from nanogrid.backends.local.live_run import LiveRun
from nanogrid.backends.local.mirror import Changes, Mirror
from nanogrid.backends.local.recent_runs import RecentRuns, size_of
from nanogrid.backends.local.run_table import IdempotencyKey, Saved
from nanogrid.clock import Clock
from nanogrid.errors import IdempotencyConflict, RunEnded, RunNotFound, StoreUnavailable
from nanogrid.identifiers import is_run_id
from nanogrid.model import DEFAULT_TENANT, Outcome, Run, RunStatus
from nanogrid.ports import Page, RunStore


class LocalRunStore(RunStore):
    """The tables `runs`, `run_inputs` and `idempotency_keys`, and the runs in memory."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        history_limit: int,
        on_pruned: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        """Keep that many ended runs, dead ones not counted. Call `load` before anything else.

        `on_pruned` hears the ids of those that are not kept any more.
        """
        self._database = database
        self._clock = clock
        self._history_limit = history_limit
        self._on_pruned = on_pruned
        self._mirror = Mirror[Saved](database, run_table.save, self._saved)
        self._live: dict[str, LiveRun] = {}
        #: What memory knows and the disk does not: plain runs that live, and whatever is written later.
        self._unsaved: dict[str, Saved] = {}
        #: Runs that are forgotten, though the disk may still have them.
        self._withdrawn: set[str] = set()
        self._recent = RecentRuns()
        self._ended_count = 0
        self._pruning = False
        #: One lock for each idempotency key that is being used.
        self._key_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self) -> None:
        """Take up the runs that an earlier grid left queued or running."""
        self._ended_count = await self._database.read(run_table.count_prunable)
        for run in await self._database.read(run_table.select_live):
            self._live[run.run_id] = LiveRun(run, durable=True, taken_up=True)

    def unfinished(self) -> list[Run]:
        """Every run that is queued or running, in full."""
        return [live.in_full() for live in self._live.values()]

    async def unknown(self, run_ids: list[str]) -> list[str]:
        """Those of the ids that no run on disk has."""
        return await self._database.read(partial(run_table.select_unknown, run_ids=run_ids))

    async def close(self) -> None:
        """Write what is not on disk yet."""
        await self._mirror.close()

    async def accept(self, run: Run, *, durable: bool, idempotency: tuple[str, str] | None = None) -> Run:
        """See the port. A run with an idempotency key is always durable."""
        if idempotency is not None:
            return await self._accept_once(run, *idempotency)
        if durable:
            await self.record(run)
            return run
        if self._mirror.full:
            await self._mirror.flush()
        live = LiveRun(run)
        self._live[run.run_id] = live
        self._unsaved[run.run_id] = live.saved(live.run)
        return run

    def record(self, run: Run, key: IdempotencyKey | None = None) -> asyncio.Future[None]:
        """Accept a durable run. The future is done when it is on disk; cancelling it takes nothing back."""
        live = LiveRun(run)
        saved = live.saved(live.run, key)
        return self._mirror.write(run.run_id, saved, weight=size_of(run), done=partial(self._accepted, live))

    async def withdraw(self, run_id: str) -> None:
        """See the port. Never raises: what the disk does not forget now it forgets later."""
        live = self._live.pop(run_id, None)
        self._unsaved.pop(run_id, None)
        if live is None or not live.durable:
            return
        self._withdrawn.add(run_id)
        with suppress(StoreUnavailable):
            await self._mirror.write(run_id, None, done=partial(self._withdrew, run_id))

    async def persist(self, run_id: str) -> None:
        """See the port. What comes after is durable too."""
        live = self._live.get(run_id)
        if live is not None and not live.durable and not live.committing:
            await self._commit(live, live.run)
        elif live is not None or run_id in self._unsaved:
            await self._mirror.flush()
        else:
            await self.get(run_id)

    async def start(self, run_id: str, attempt: int) -> Run:
        """See the port. Never waits for the disk: a start that a crash takes back is followed by another."""
        live = await self._settled(run_id)
        live.fence(attempt)
        # Later attempts are on their way to the disk before the function is: a crash counts as a failure of tasks whose
        # run had begun, and one that kills the grid within moments has to be known by it some day.
        self._begin(live, live.begin(attempt, self._clock.now()), at_once=attempt > 1 or live.taken_up)
        return live.in_full()

    async def finish(self, run_id: str, attempt: int, outcome: Outcome) -> Run:
        """See the port. Returns the run without its input."""
        if self._mirror.full:
            # Slower, not refused: `accept` refuses, so no more can come here than is running.
            with suppress(StoreUnavailable):
                await self._mirror.flush()
        live = await self._settled(run_id)
        live.fence(attempt)
        run = live.concluded(outcome, self._clock.now())
        if live.durable:
            await self._commit(live, run)
        elif run.status.ended:
            self._end_plain(live, run)
        else:
            # It waits for its next try, known to memory alone.
            self._unsaved[run.run_id] = live.saved(run)
            live.run = run
        return run

    async def get(self, run_id: str) -> Run:
        """See the port. No I/O for a run that lives or has ended lately."""
        run = await self._find(run_id)
        if run is None:
            raise RunNotFound(f"no run has the id {run_id[:80]!r}.", hint="Old runs are forgotten in time.")
        return run

    async def list_runs(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        function_id: str | None = None,
        status: RunStatus | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """See the port."""
        before = run_table.NEWEST if cursor is None else _run_id_from(cursor)
        wanted = run_table.Listing(tenant, function_id, status, before)
        # Taken before the disk is read: what is written meanwhile must not fall between the two.
        unsaved = {run_id: saved.run for run_id, saved in self._unsaved.items()}
        hidden = unsaved.keys() | self._withdrawn
        select = partial(run_table.select_page, listing=wanted, limit=limit + 1, hidden=hidden)
        found = await self._database.read(select) + [run for run in unsaved.values() if wanted.has(run)]
        found.sort(key=lambda run: run.run_id, reverse=True)
        page = found[:limit]
        more = len(found) > limit and bool(page)
        return Page(items=page, next_cursor=to_cursor(page[-1].run_id) if more else None)

    async def reopen(self, run_id: str) -> Run:
        """See the port. The run is durable from now on."""
        dead = await self.get(run_id)
        if dead.status is not RunStatus.DEAD or run_id in self._live:
            raise RunEnded(f"the run {run_id} is not dead, or not any more.", hint="Only a dead run can be redriven.")
        # It lives again before that is on disk, so that of two who reopen it one is refused.
        live = self._live[run_id] = LiveRun(dead)
        await self._commit(live, live.reopened())
        return live.in_full()

    async def _accept_once(self, run: Run, key: str, digest: str) -> Run:
        # Racing calls with one key take turns; the lock goes when the last of them lets go of it.
        lock = self._key_locks.setdefault(key, asyncio.Lock())
        async with lock:
            made_at = int(self._clock.now().timestamp() * 1000)
            known = await self._database.read(partial(run_table.select_key, key=key, now=made_at))
            earlier = await self._find(known.run_id) if known else None
            if known is None or earlier is None:
                await self.record(run, IdempotencyKey(key, digest, made_at, run.run_id))
                return run
        if known.digest != digest:
            raise IdempotencyConflict(
                f"the idempotency key {key[:80]!r} was used with another body, for the run {known.run_id}.",
                hint="Use a new key for a new request.",
            )
        return earlier

    def _accepted(self, live: LiveRun, error: BaseException | None) -> None:
        if error is None:
            live.durable = True
            self._live[live.run.run_id] = live

    def _withdrew(self, run_id: str, error: BaseException | None) -> None:
        if error is not None:
            self._mirror.put(run_id, None)

    async def _settled(self, run_id: str) -> LiveRun:
        """The live run, when no change of it is on its way to the disk. Raises `RunEnded`, `RunNotFound`."""
        live = self._live.get(run_id)
        while live is not None and live.committing:
            with suppress(StoreUnavailable):
                await self._mirror.flush()
            live = self._live.get(run_id)
        if live is None:
            run = await self.get(run_id)
            raise RunEnded(f"the run {run_id} has ended already: {run.status}.")
        return live

    def _begin(self, live: LiveRun, run: Run, *, at_once: bool) -> None:
        """The run has begun; where it is durable the disk hears of it soon, if it has not ended by then."""
        live.run = run
        saved = self._unsaved[run.run_id] = live.saved(run)
        if live.durable and at_once:
            self._mirror.put(run.run_id, saved, weight=size_of(run), at_once=True)
        elif live.durable:
            self._mirror.defer(run.run_id, saved)

    def _end_plain(self, live: LiveRun, run: Run) -> None:
        del self._live[run.run_id]
        saved = self._unsaved[run.run_id] = live.saved(run)
        self._mirror.put(run.run_id, saved, weight=live.size)
        self._count(run)

    async def _commit(self, live: LiveRun, run: Run) -> None:
        """Write the run as it will be, then let it be so; any other change waits meanwhile."""
        done = partial(self._committed, live, run)
        written = self._mirror.write(run.run_id, live.saved(run), weight=size_of(run), done=done)
        live.committing = True
        await written

    def _committed(self, live: LiveRun, run: Run, error: BaseException | None) -> None:
        live.committing = False
        if error is None:
            live.run, live.durable = run, True
            self._unsaved.pop(run.run_id, None)
        elif live.durable or live.run.status.ended:
            # The change took the place of an earlier one that was still to be written.
            saved = self._unsaved[run.run_id] = live.saved(live.run)
            self._mirror.put(run.run_id, saved, weight=live.size)
        if live.run.status.ended:
            del self._live[run.run_id]
            self._recent.add(live.run, live.input)
            self._count(live.run)

    def _saved(self, changes: Changes[Saved]) -> None:
        """These are on disk: what memory still thought unsaved, and has not changed since, is saved."""
        for run_id, saved in changes.items():
            if saved is None:
                self._withdrawn.discard(run_id)
            if saved is None or self._unsaved.get(run_id) is not saved:
                continue
            del self._unsaved[run_id]
            if saved.run.status.ended and saved.input is not None:
                self._recent.add(saved.run, saved.input)

    def _count(self, run: Run) -> None:
        self._ended_count += run.status is not RunStatus.DEAD
        if self._ended_count > self._history_limit and not self._pruning:
            self._pruning = True
            limit = self._ended_count - self._history_limit
            self._database.submit(lambda: partial(run_table.prune, limit=limit), self._pruned)

    def _pruned(self, done: asyncio.Future[list[str]]) -> None:
        self._pruning = False
        if done.exception() is None:
            self._ended_count -= len(done.result())
            for run_id in done.result():
                self._recent.discard(run_id)
            self._on_pruned(done.result())

    async def _find(self, run_id: str) -> Run | None:
        """The run in full, from memory or else from the disk."""
        live = self._live.get(run_id)
        if live is not None:
            return live.in_full()
        saved = self._unsaved.get(run_id)
        if saved is not None and saved.input is not None:
            return structs.replace(saved.run, input=saved.input)
        if run_id in self._withdrawn:
            return None
        return self._recent.get(run_id) or await self._database.read(partial(run_table.select_run, run_id=run_id))


def _run_id_from(cursor: str) -> str:
    run_id = from_cursor(cursor)
    if not is_run_id(run_id):
        raise foreign_cursor(cursor)
    return run_id
