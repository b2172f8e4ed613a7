"""Fires what is due: each due time becomes one run, whoever looks, however often, and whatever breaks in between.

The order is the promise: a run is made before the schedule moves on, under an idempotency key of the schedule and the
due time. Whoever fails in between, or looks at the same moment as another, finds the same run when he makes it again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec
from msgspec import UNSET, Raw, structs

from nanogrid.clock import Clock
from nanogrid.errors import (
    InvalidField,
    NanoGridError,
    PlatformError,
    RevisionConflict,
    RunNotFound,
    TooManyRequests,
)
from nanogrid.model import Mode, Run, Trigger
from nanogrid.ports import RunStore
from nanogrid.schedule import Fire, FireOutcome, Overlap, Schedule
from nanogrid.scheduler.agenda import Entry
from nanogrid.scheduler.policy import MOST, judged, recorded
from nanogrid.scheduler.shelf import Shelf, StoredSchedule

#: How soon a schedule is looked at again whose run could not be made now.
_AGAIN = timedelta(seconds=5)
#: Schedules that are attended to at once.
_AT_ONCE = 16
#: How often one is read anew because somebody else has changed it.
_TRIES = 5
#: Every fire of one due time asks for the same.
_DIGEST = "schedule"


class RunFunction(Protocol):
    """The dispatcher's `run`."""

    async def __call__(
        self,
        reference: str,
        input: Raw,  # noqa: A002 - the API's word
        *,
        mode: Mode,
        tenant: str,
        idempotency: tuple[str, str] | None,
        trigger: Trigger | None,
    ) -> Run:
        """Make the run, or return the one that was made under the same key."""


class Served(NamedTuple):
    """What is left when all that was due has been attended to."""

    #: When to look again; None where nothing is to come.
    next_at: datetime | None
    #: Tenant and run that due times wait for: to look again when such a run has ended.
    awaited: set[tuple[str, str]]


class Scheduler:
    """The box between the agenda and the dispatcher."""

    def __init__(
        self,
        shelf: Shelf,
        run_store: RunStore,
        run: RunFunction,
        clock: Clock,
        *,
        on_fire: Callable[[Schedule, Fire], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """`on_fire` hears what came of each due time, `on_failure` of what is tried again."""
        self._shelf = shelf
        self._run_store = run_store
        self._run = run
        self._clock = clock
        self._on_fire = on_fire
        self._on_failure = on_failure

    async def serve(self, *, within_s: float = float("inf")) -> Served:
        """Attend to everything that is due; with `within_s`, begin with nothing more after so many seconds.

        Raises `StoreUnavailable` where not even the agenda can be read.
        """
        now, end = self._clock.now(), self._clock.monotonic() + within_s
        moments: list[datetime | None] = []
        awaited: set[tuple[str, str]] = set()
        group: list[Entry] = []
        async for entry in self._shelf.agenda.entries():
            if entry.at > now or self._clock.monotonic() > end:
                moments.append(entry.at)
                break
            group.append(entry)
            if len(group) == _AT_ONCE:
                await self._attend_all(group, now, moments, awaited)
                group = []
        await self._attend_all(group, now, moments, awaited)
        return Served(min((at for at in moments if at is not None), default=None), awaited)

    async def _attend_all(
        self, entries: list[Entry], now: datetime, moments: list[datetime | None], awaited: set[tuple[str, str]]
    ) -> None:
        # Two entries of one schedule would get in each other's way.
        unique = {(entry.tenant, entry.schedule): entry for entry in entries}
        for result in await asyncio.gather(*(self._attended(entry, now) for entry in unique.values())):
            if isinstance(result, datetime):
                moments.append(result)
            elif result is not None:
                moments.append(result.next_at)
                if result.waiting and result.last_run_id:
                    awaited.add((result.tenant, result.last_run_id))

    async def _attended(self, entry: Entry, now: datetime) -> StoredSchedule | datetime | None:
        """The schedule when it has been attended to; when to try again; None where the entry means nothing."""
        try:
            return await self._attended_once(entry, now)
        # The top of one schedule's work: whatever is wrong with it must not stop the others. Its due time stays in the
        # agenda, and the runs that were made are found again.
        except Exception as exc:  # noqa: BLE001
            self._on_failure(exc)
            return self._clock.now() + _AGAIN

    async def _attended_once(self, entry: Entry, now: datetime) -> StoredSchedule | datetime | None:
        for _ in range(_TRIES):
            seen = await self._shelf.get(entry.tenant, entry.schedule)
            if seen is None or entry.name not in seen.schedule.entries:
                await self._shelf.agenda.tidy(entry, now=now)
                return None
            attended, fires = await self._attend(seen.schedule, now)
            try:
                attended = await self._shelf.put(attended, seen)
            except RevisionConflict:
                continue
            for fire in fires:
                self._on_fire(attended, fire)
            return attended
        return self._clock.now() + _AGAIN

    async def _attend(self, schedule: StoredSchedule, now: datetime) -> tuple[StoredSchedule, list[Fire]]:
        """The schedule as it is when everything of it that is due has been done, and what came of that."""
        work = _Work(schedule, now)
        while work.waiting and not await self._under_way(work.last_run_id):
            await self._start(work, work.waiting.pop(0))
        if schedule.next_at is not None and schedule.next_at <= now:
            try:
                timetable = schedule.timetable
            except InvalidField as exc:
                # Written by a program that knew another zone or expression.
                work.note(schedule.next_at, FireOutcome.REFUSED, reason=f"paused: {exc}")
                return structs.replace(work.done(), enabled=False, next_at=None), work.fires
            verdict = judged(timetable.latest(schedule.next_at, now, MOST), now, schedule.missed)
            if verdict.missed:
                work.note(verdict.missed[-1], FireOutcome.MISSED, count=len(verdict.missed))
            for due in verdict.fire:
                await self._fire(work, due)
            work.next_at = timetable.next_after(now)
        return work.done(), work.fires

    async def _fire(self, work: "_Work", due: datetime) -> None:
        overlap = work.schedule.overlap
        if overlap is Overlap.ALLOW or not (work.waiting or await self._under_way(work.last_run_id)):
            await self._start(work, due)
        elif overlap is Overlap.QUEUE and len(work.waiting) < MOST:
            work.waiting.append(due)
        else:
            work.note(due, FireOutcome.OVERLAPPED, reason=f"{work.last_run_id} had not ended")

    async def _start(self, work: "_Work", due: datetime) -> None:
        """Make the run for a due time. Raises `TooManyRequests`, `PlatformError`: it can be tried again."""
        schedule = work.schedule
        trigger = Trigger(schedule=schedule.name, due_at=due)
        try:
            run = await self._run(
                _reference(schedule),
                _input(schedule, trigger),
                mode=Mode.ASYNC,
                tenant=schedule.tenant,
                idempotency=(f"schedule {schedule.schedule_id} {due.isoformat()}", _DIGEST),
                trigger=trigger,
            )
        except (TooManyRequests, PlatformError):
            raise
        except NanoGridError as exc:
            work.note(due, FireOutcome.REFUSED, reason=str(exc))
            return
        work.last_run_id = run.run_id
        work.note(due, FireOutcome.STARTED, run_id=run.run_id)

    async def _under_way(self, run_id: str | None) -> bool:
        if run_id is None:
            return False
        try:
            return not (await self._run_store.get(run_id)).status.ended
        except RunNotFound:
            # Old runs are forgotten; what is under way is not.
            return False


class _Work:
    """A schedule while it is attended to."""

    def __init__(self, schedule: StoredSchedule, now: datetime) -> None:
        self.schedule = schedule
        self.next_at = schedule.next_at
        self.last_run_id = schedule.last_run_id
        self.waiting = list(schedule.waiting)
        self.fires: list[Fire] = []
        self._now = now
        self._record = list(schedule.fires)

    def note(
        self,
        due: datetime,
        outcome: FireOutcome,
        *,
        run_id: str | None = None,
        reason: str | None = None,
        count: int = 1,
    ) -> None:
        """Put on record what came of a due time."""
        fire = Fire(due_at=due, at=self._now, outcome=outcome, run_id=run_id, reason=reason, count=count)
        self.fires.append(fire)
        self._record = recorded(self._record, fire)

    def done(self) -> StoredSchedule:
        return structs.replace(
            self.schedule,
            next_at=self.next_at,
            last_run_id=self.last_run_id,
            waiting=self.waiting,
            fires=self._record,
        )


def _reference(schedule: Schedule) -> str:
    """By id, so that another function of the same name is never run in its place."""
    _, colon, qualifier = schedule.function.partition(":")
    return schedule.function_id + colon + qualifier


def _input(schedule: Schedule, trigger: Trigger) -> Raw:
    if schedule.input is not UNSET:
        return schedule.input
    return Raw(msgspec.json.encode({"schedule": trigger.schedule, "dueAt": trigger.due_at}))
