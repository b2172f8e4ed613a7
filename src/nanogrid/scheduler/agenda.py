"""What is due when, in order of time: a record for each moment at which a schedule has to be looked at.

An entry is made before the schedule that names it, and deleted after, so that no due time is without one. Each has a
token of its own: one that no schedule names any more is never named again, and whoever deletes it takes nothing from
anybody.
"""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Raw

from nanogrid.model import StoredRecord
from nanogrid.ports import RecordStore
from nanogrid.ports.listing import all_records

_KIND = "agenda"
_FORM = "%Y-%m-%dT%H:%M:%SZ"
#: An entry that no schedule names was left over, if it is older than any request lasts.
_OLD = timedelta(hours=1)


class Entry(NamedTuple):
    """A schedule is to be looked at."""

    at: datetime
    tenant: str
    schedule: str
    #: As the record is called: these sort as moments do.
    name: str


class Agenda:
    """The entries of all schedules."""

    def __init__(self, record_store: RecordStore) -> None:
        """Nothing is read yet."""
        self._record_store = record_store

    async def add(self, at: datetime, tenant: str, schedule: str, *, now: datetime) -> str:
        """Make an entry, and return its name."""
        name = f"{at.strftime(_FORM)}/{tenant}/{schedule}/{secrets.token_hex(4)}"
        await self._record_store.put(_KIND, name, Raw(msgspec.json.encode(now)), revision=None)
        return name

    async def remove(self, name: str) -> None:
        """Delete an entry that no schedule names any more. Idempotent."""
        await self._record_store.delete(_KIND, name)

    async def tidy(self, entry: Entry, *, now: datetime) -> None:
        """Delete an entry that no schedule names, unless whoever made it may be about to name it."""
        record = await self._record_store.get(_KIND, entry.name)
        if record is not None and now - msgspec.json.decode(record.value, type=datetime) > _OLD:
            await self.remove(entry.name)

    async def entries(self) -> AsyncIterator[Entry]:
        """All entries, soonest first."""
        async for record in all_records(self._record_store, _KIND):
            yield _entry(record)


def moment_of(name: str) -> datetime:
    """The moment of the entry of that name."""
    return datetime.strptime(name.partition("/")[0], _FORM).replace(tzinfo=UTC)


def _entry(record: StoredRecord) -> Entry:
    _, tenant, schedule, _ = record.name.split("/")
    return Entry(moment_of(record.name), tenant, schedule, record.name)
