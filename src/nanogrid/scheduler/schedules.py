"""Makes, reads, changes and deletes schedules."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec import UNSET, Raw, UnsetType, structs

from nanogrid.clock import Clock
from nanogrid.errors import InvalidField, NameTaken, RevisionConflict, RunNotFound, ScheduleNotFound, TooLarge
from nanogrid.identifiers import is_function_name, sortable
from nanogrid.model import Function, Record
from nanogrid.ports import Page, RunStore
from nanogrid.schedule import Fire, FireReport, Missed, Overlap, Schedule, ScheduleDetail, ScheduleReport
from nanogrid.scheduler.shelf import Seen, Shelf, StoredSchedule
from nanogrid.scheduler.timetable import tidy

#: The tenant's version that a name, qualified or not, means. Raises `FunctionNotFound`.
Resolve = Callable[[str, str], Awaitable[Function]]


class CheckRoom(Protocol):
    """Quotas."""

    async def __call__(self, tenant: str, *, gap: timedelta, another: bool) -> None:
        """Raise `QuotaReached` where the tenant may not have another schedule, or none with due times so close."""


MAX_INPUT_BYTES = 64 * 1024
#: Due times that are shown of each schedule.
_SHOWN = 5
#: How often a change is made anew because the scheduler has changed the schedule meanwhile.
_TRIES = 5


class ScheduleChange(Record, frozen=True, kw_only=True):
    """What is set of a schedule; whatever is UNSET stays, or is as `Schedule` has it."""

    function: str | UnsetType = UNSET
    expression: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    input: Raw | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET


class Schedules:
    """Keeps each tenant's schedules by name."""

    def __init__(
        self,
        shelf: Shelf,
        run_store: RunStore,
        clock: Clock,
        *,
        resolve: Resolve,
        check_room: CheckRoom,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` is called when a schedule may be due sooner than was known."""
        self._shelf = shelf
        self._run_store = run_store
        self._clock = clock
        self._resolve = resolve
        self._check_room = check_room
        self._on_change = on_change

    async def create(self, name: str | None, change: ScheduleChange, *, tenant: str) -> ScheduleDetail:
        """Make a schedule, under the function's name where it has none of its own.

        Raises `InvalidField`, `FunctionNotFound`, `NameTaken`, `QuotaReached`, `TooLarge`.
        """
        if change.function is UNSET or change.expression is UNSET:
            field = "function" if change.function is UNSET else "expression"
            raise InvalidField(f"a schedule needs its {field}.", path=f"$.{field}")
        function, shown = await self._function(change.function, tenant)
        name = function.name if name is None else name
        _check_name(name)
        now = self._clock.now()
        blank = StoredSchedule(
            name=name,
            tenant=tenant,
            schedule_id=f"sch_{sortable()}",
            function_id=function.function_id,
            function=shown,
            expression=change.expression,
            created_at=now,
            updated_at=now,
            anchor=now,
        )
        schedule = self._changed(blank, change, now, anew=True)
        await self._check_room(tenant, gap=schedule.timetable.shortest_gap, another=True)
        try:
            schedule = await self._shelf.put(schedule, None)
        except RevisionConflict as exc:
            hint = f"Give this one another name, or change that one: PUT /schedules/{name}."
            raise NameTaken(f"there is a schedule {name!r} already.", hint=hint) from exc
        self._on_change()
        return await self._in_full(schedule)

    async def change(self, name: str, change: ScheduleChange, *, tenant: str) -> ScheduleDetail:
        """Change what is set, from now on. Due times that passed before were dealt with as it was.

        Raises `ScheduleNotFound`, `RevisionConflict`, and what `create` raises.
        """
        for _ in range(_TRIES):
            seen = await self._seen(name, tenant)
            before, now = seen.schedule, self._clock.now()
            if change.function is not UNSET:
                function, shown = await self._function(change.function, tenant)
                before = structs.replace(before, function_id=function.function_id, function=shown)
            schedule = self._changed(structs.replace(before, updated_at=now), change, now, anew=False)
            if change.expression is not UNSET:
                await self._check_room(tenant, gap=schedule.timetable.shortest_gap, another=False)
            try:
                schedule = await self._shelf.put(schedule, seen)
            except RevisionConflict:
                continue
            self._on_change()
            return await self._in_full(schedule)
        raise RevisionConflict(f"the schedule {name!r} is being changed by somebody else.", hint="Try again.")

    async def get(self, name: str, *, tenant: str) -> ScheduleDetail:
        """One schedule in full. Raises `ScheduleNotFound`."""
        return await self._in_full((await self._seen(name, tenant)).schedule)

    async def list_schedules(
        self, *, tenant: str, limit: int, cursor: str | None, shows: Callable[[Schedule], bool] = lambda _: True
    ) -> Page[ScheduleReport]:
        """The tenant's schedules by name; of each page those that `shows` lets pass."""
        page = await self._shelf.page(tenant, limit=limit, cursor=cursor)
        reports = await asyncio.gather(*(self._report(schedule) for schedule in page.items if shows(schedule)))
        return Page(items=list(reports), next_cursor=page.next_cursor)

    async def delete(self, name: str, *, tenant: str) -> None:
        """Forget a schedule; runs that it has made go on. Raises `ScheduleNotFound`, `RevisionConflict`."""
        for _ in range(_TRIES):
            try:
                await self._shelf.delete(await self._seen(name, tenant))
            except RevisionConflict:
                continue
            return
        raise RevisionConflict(f"the schedule {name!r} is being changed by somebody else.", hint="Try again.")

    async def forget_all(self, function: Function) -> None:
        """Forget the schedules of a function that is gone."""
        for seen in await self._shelf.of_function(function.tenant, function.function_id):
            await self.delete(seen.schedule.name, tenant=function.tenant)

    async def _function(self, reference: str, tenant: str) -> tuple[Function, str]:
        """What the reference means now, and how it is written: the function's name, and what is behind the colon."""
        function = await self._resolve(reference, tenant)
        _, colon, qualifier = reference.partition(":")
        return function, function.name + colon + qualifier

    def _changed(
        self, schedule: StoredSchedule, change: ScheduleChange, now: datetime, *, anew: bool
    ) -> StoredSchedule:
        """The schedule with what is set, and with its next due time where that may be another."""
        _check_input(change.input)
        was_enabled = schedule.enabled and not anew
        given = {field: getattr(change, field) for field in ("timezone", "input", "enabled", "missed", "overlap")}
        schedule = structs.replace(schedule, **{field: value for field, value in given.items() if value is not UNSET})
        if change.expression is not UNSET:
            schedule = structs.replace(schedule, expression=tidy(change.expression), anchor=now)
        timetable = schedule.timetable
        if not schedule.enabled:
            return structs.replace(schedule, next_at=None, waiting=[])
        if was_enabled and change.expression is UNSET and change.timezone is UNSET:
            return schedule
        return structs.replace(schedule, next_at=timetable.next_after(now))

    async def _seen(self, name: str, tenant: str) -> Seen:
        seen = await self._shelf.get(tenant, name) if is_function_name(name) else None
        if seen is None:
            raise ScheduleNotFound(f"there is no schedule {name[:80]!r}.", hint="GET /schedules lists them.")
        return seen

    async def _report(self, schedule: StoredSchedule) -> ScheduleReport:
        last = await self._fire_report(schedule.fires[0]) if schedule.fires else None
        return ScheduleReport(**_shown(schedule), description=schedule.timetable.description, last=last)

    async def _in_full(self, schedule: StoredSchedule) -> ScheduleDetail:
        fires = list(await asyncio.gather(*(self._fire_report(fire) for fire in schedule.fires)))
        timetable, due, coming = schedule.timetable, schedule.next_at, list[datetime]()
        while due is not None and len(coming) < _SHOWN:
            coming.append(due)
            due = timetable.next_after(due)
        return ScheduleDetail(
            **_shown(schedule),
            description=timetable.description,
            last=fires[0] if fires else None,
            next=coming,
            fires=fires,
        )

    async def _fire_report(self, fire: Fire) -> FireReport:
        status = None
        if fire.run_id is not None:
            try:
                status = (await self._run_store.get(fire.run_id)).status
            except RunNotFound:
                status = None
        return FireReport(**structs.asdict(fire), status=status)


def _shown(schedule: StoredSchedule) -> dict[str, Any]:
    """What everybody may see of it."""
    return {field: getattr(schedule, field) for field in Schedule.__struct_fields__}


def _check_name(name: str) -> None:
    if not is_function_name(name):
        raise InvalidField(
            f"{name[:80]!r} is no name for a schedule.",
            path="$.name",
            hint="Use 1 to 64 letters, digits, '-' and '_', beginning with a letter.",
        )


def _check_input(value: Raw | UnsetType) -> None:
    if value is not UNSET and len(bytes(value)) > MAX_INPUT_BYTES:
        raise TooLarge(
            f"the input has {len(bytes(value))} bytes; a schedule may keep {MAX_INPUT_BYTES}.",
            hint="Put large data where the function can fetch it.",
        )
