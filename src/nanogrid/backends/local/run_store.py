"""The run store: what lives is in memory, what has ended is in SQLite.

A durable run changes in memory when the change is on disk; the other way round for a plain synchronous one, whose
record is written after the answer, in groups.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from weakref import WeakValueDictionary

from msgspec import UNSET, Raw, structs

from nanogrid.backends.local import run_table
from nanogrid.backends.local.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.backends.local.database import Database
from nanogrid.backends.local.mirror import Changes, Mirror
from nanogrid.backends.local.recent_runs import RecentRuns, size_of
from nanogrid.backends.local.run_table import IdempotencyKey, Saved
from nanogrid.clock import Clock
from nanogrid.errors import IdempotencyConflict, RunEnded, RunNotFound
from nanogrid.identifiers import is_run_id
from nanogrid.model import NULL, Logs, Outcome, Run, RunStatus, Usage
from nanogrid.ports import Page, RunStore


class _LiveRun:
    """A run that is queued or running, its input apart."""

    __slots__ = ("begun", "committing", "durable", "input", "run")

    def __init__(self, run: Run, input_: Raw, *, durable: bool, begun: int) -> None:
        self.run = run
        self.input = input_
        #: Whether its changes must be on disk before anybody is told.
        self.durable = durable
        #: The latest attempt that has begun in this process; earlier processes' attempts are all dead.
        self.begun = begun
        #: A change on its way to the disk that later ones must wait for.
        self.committing: asyncio.Future[None] | None = None


class LocalRunStore(RunStore):
    """The tables `runs`, `run_inputs` and `idempotency_keys`, and the runs in memory."""

    def __init__(self, database: Database, clock: Clock, *, history_limit: int) -> None:
        """Keep that many ended runs, dead ones not counted. Call `load` before anything else."""
        self._database = database
        self._clock = clock
        self._history_limit = history_limit
        self._mirror = Mirror[Saved](database, run_table.save, self._saved)
        self._live: dict[str, _LiveRun] = {}
        #: What memory knows and the disk does not: plain runs that live, and whatever is written later.
        self._unsaved: dict[str, Saved] = {}
        self._recent = RecentRuns()
        self._ended_count = 0
        self._pruning = False
        #: One lock for each idempotency key that is being used.
        self._key_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self) -> None:
        """Take up the runs that an earlier grid left queued or running."""
        self._ended_count = await self._database.read(run_table.count_prunable)
        for run in await self._database.read(run_table.select_live):
            assert run.input is not UNSET  # noqa: S101 - that is how it is selected
            self._live[run.run_id] = _LiveRun(structs.replace(run, input=UNSET), run.input, durable=True, begun=0)

    async def close(self) -> None:
        """Write what is not on disk yet."""
        await self._mirror.close()

    async def accept(self, run: Run, *, durable: bool, idempotency: tuple[str, str] | None = None) -> Run:
        """See the port. A run with an idempotency key is always durable."""
        if idempotency is not None:
            return await self._accept_once(run, *idempotency)
        if durable:
            await self._accept_durable(run)
        else:
            if self._mirror.full:
                await self._mirror.flush()
            live = self._new_live(run, durable=False)
            self._unsaved[run.run_id] = Saved(live.run, live.input)
        return run

    async def withdraw(self, run_id: str) -> None:
        """See the port."""
        live = self._live.pop(run_id, None)
        self._unsaved.pop(run_id, None)
        if live is not None and live.durable:
            await asyncio.shield(self._mirror.write(run_id, None))

    async def persist(self, run_id: str) -> None:
        """See the port. What comes after is durable too."""
        live = self._live.get(run_id)
        if live is None:
            await self._persist_ended(run_id)
        elif not live.durable:
            live.durable = True
            saved = self._unsaved[run_id]
            await asyncio.shield(self._mirror.write(run_id, saved, weight=size_of(live.run)))
        else:
            await self._mirror.flush()

    async def start(self, run_id: str, attempt: int) -> Run:
        """See the port. Never waits for the disk; what is lost of it by a crash is begun anew anyway."""
        live = await self._settled(run_id)
        _fence(live, attempt)
        live.begun = attempt
        started = structs.replace(
            live.run, status=RunStatus.RUNNING, attempt=attempt, started_at=self._clock.now(), ended_at=None
        )
        self._change(live, started)
        return structs.replace(started, input=live.input)

    async def finish(self, run_id: str, attempt: int, outcome: Outcome) -> Run:
        """See the port. Returns the run without its input."""
        live = await self._settled(run_id)
        _fence(live, attempt)
        run = self._concluded(live.run, outcome)
        if live.durable:
            await self._commit(live, run)
            return run
        if run.status.ended:
            self._end_plain(live, run)
        else:
            self._change(live, run)
        if self._mirror.full:
            await self._mirror.flush()
        return run

    async def get(self, run_id: str) -> Run:
        """See the port. No I/O for a run that lives or has ended lately."""
        run = self._remembered(run_id) or await self._read(run_id)
        if run is None:
            raise _no_run(run_id)
        return run

    async def list_runs(
        self,
        *,
        function_id: str | None = None,
        status: RunStatus | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """See the port."""
        before = run_table.NEWEST if cursor is None else _run_id_from(cursor)
        # Taken before the disk is read: what is written meanwhile must not fall between the two.
        unsaved = dict(self._unsaved)
        select = partial(
            run_table.select_page,
            function_id=function_id,
            status=status,
            before=before,
            limit=limit + 1,
            hidden=unsaved.keys(),
        )
        found = await self._database.read(select)
        found += [run for run in _runs(unsaved) if run.run_id < before and _matches(run, function_id, status)]
        found.sort(key=lambda run: run.run_id, reverse=True)
        page = found[:limit]
        more = len(found) > limit and bool(page)
        return Page(items=page, next_cursor=to_cursor(page[-1].run_id) if more else None)

    async def reopen(self, run_id: str) -> Run:
        """See the port. The run is durable from now on."""
        dead = await self.get(run_id)
        if dead.status is not RunStatus.DEAD or run_id in self._live:
            raise RunEnded(f"the run {run_id} is {dead.status}, not dead.", hint="Only dead runs can be redriven.")
        assert dead.input is not UNSET  # noqa: S101 - `get` reads in full
        # In memory before it is on disk: whoever reopens it too finds it queued and is refused.
        live = _LiveRun(structs.replace(dead, input=UNSET), dead.input, durable=True, begun=dead.attempt)
        self._live[run_id] = live
        queued = structs.replace(
            live.run,
            status=RunStatus.QUEUED,
            output=NULL,
            error=None,
            logs=Logs(),
            usage=Usage(),
            started_at=None,
            ended_at=None,
        )
        self._unsaved.pop(run_id, None)
        await self._commit(live, queued)
        return structs.replace(queued, input=dead.input)

    # -- accepting

    async def _accept_once(self, run: Run, key: str, digest: str) -> Run:
        # Racing calls with one key take turns; the lock goes when the last of them lets it go.
        lock = self._key_locks.setdefault(key, asyncio.Lock())
        async with lock:
            made_at = int(self._clock.now().timestamp() * 1000)
            known = await self._database.read(partial(run_table.select_key, key=key, now=made_at))
            earlier = known and (self._remembered(known[1]) or await self._read(known[1]))
            if not known or not earlier:
                await self._accept_durable(run, IdempotencyKey(key, digest, made_at))
                return run
        if known[0] != digest:
            raise IdempotencyConflict(
                f"the idempotency key {key[:80]!r} was used with another body, for the run {earlier.run_id}.",
                hint="Use a new key for a new request.",
            )
        return earlier
