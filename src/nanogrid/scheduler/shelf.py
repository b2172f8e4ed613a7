"""Schedules as the record store has them, and their entries in the agenda, kept in step."""

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Raw, structs

from nanogrid.clock import Clock
from nanogrid.ports import Page, RecordStore
from nanogrid.ports.listing import all_records
from nanogrid.schedule import Fire, Schedule
from nanogrid.scheduler.agenda import Agenda, moment_of
from nanogrid.scheduler.timetable import Timetable

_KIND = "schedule"


class StoredSchedule(Schedule, frozen=True, kw_only=True):
    """A schedule as it is kept."""

    #: Names this very schedule: another one of the same name has another.
    schedule_id: str
    #: From which its intervals count.
    anchor: datetime
    #: The run that it made last; None before the first.
    last_run_id: str | None = None
    #: Newest first.
    fires: list[Fire] = []
    #: Names of its entries in the agenda.
    entries: list[str] = []

    @property
    def timetable(self) -> Timetable:
        """Its due times."""
        return Timetable(self.expression, self.timezone, anchor=self.anchor)


class Seen(NamedTuple):
    """A schedule as it was read."""

    schedule: StoredSchedule
    revision: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StoredSchedule)


class Shelf:
    """Keeps schedules by tenant and name."""

    def __init__(self, record_store: RecordStore, clock: Clock) -> None:
        """Nothing is read yet."""
        self._record_store = record_store
        self._clock = clock
        self.agenda = Agenda(record_store)

    async def get(self, tenant: str, name: str) -> Seen | None:
        """The schedule as it is now; None where there is none."""
        record = await self._record_store.get(_KIND, _place(tenant, name))
        return None if record is None else Seen(_decoder.decode(record.value), record.revision)

    async def page(self, tenant: str, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        """The tenant's schedules by name."""
        page = await self._record_store.list_records(_KIND, prefix=f"{tenant}/", limit=limit, cursor=cursor)
        return Page(items=[_decoder.decode(record.value) for record in page.items], next_cursor=page.next_cursor)

    async def of_function(self, tenant: str, function_id: str) -> list[Seen]:
        """The schedules of one function. Reads all of the tenant's."""
        records = all_records(self._record_store, _KIND, prefix=f"{tenant}/")
        seen = [Seen(_decoder.decode(record.value), record.revision) async for record in records]
        return [one for one in seen if one.schedule.function_id == function_id]

    async def put(self, schedule: StoredSchedule, seen: Seen | None) -> StoredSchedule:
        """Keep the schedule in place of the one seen. Raises `RevisionConflict` where that is not there now."""
        before = seen.schedule.entries if seen else []
        entries = await self._entries(schedule, before)
        schedule = structs.replace(schedule, entries=entries)
        where, value = _place(schedule.tenant, schedule.name), Raw(_encoder.encode(schedule))
        await self._record_store.put(_KIND, where, value, revision=seen.revision if seen else None)
        await self._remove(set(before) - set(entries))
        return schedule

    async def delete(self, seen: Seen) -> None:
        """Forget the schedule. Raises `RevisionConflict` where it has changed since."""
        where = _place(seen.schedule.tenant, seen.schedule.name)
        await self._record_store.delete(_KIND, where, revision=seen.revision)
        await self._remove(set(seen.schedule.entries))

    async def _entries(self, schedule: StoredSchedule, before: list[str]) -> list[str]:
        """One for its next due time, and one for the first that waits: those that there are, or new ones."""
        wanted = {at for at in (schedule.next_at, *schedule.waiting[:1]) if at is not None}
        kept = [name for name in before if moment_of(name) in wanted]
        now, missing = self._clock.now(), wanted - {moment_of(name) for name in kept}
        added = [await self.agenda.add(at, schedule.tenant, schedule.name, now=now) for at in sorted(missing)]
        return kept + added

    async def _remove(self, names: set[str]) -> None:
        for name in sorted(names):
            await self.agenda.remove(name)


def _place(tenant: str, name: str) -> str:
    return f"{tenant}/{name}"
