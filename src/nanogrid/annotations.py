"""What a face of the grid keeps beside a function, such as a description: carried by the platform, and not understood.

Each note has a name below its function's id, and goes with the function.
"""

from collections.abc import AsyncIterator

from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.model import StoredRecord
from nanogrid.ports import Page, RecordStore
from nanogrid.ports.listing import all_records

_KIND = "annotation"
#: How old what is known of a note may be where nothing is to be changed, in seconds.
_FRESH_S = 2.0
_MOST_KNOWN = 10_000


class Annotations:
    """Keeps notes on functions."""

    def __init__(self, record_store: RecordStore, clock: Clock) -> None:
        """Nothing is read yet."""
        self._record_store = record_store
        self._clock = clock
        #: What was read, and when, by the record's name.
        self._known: dict[str, tuple[StoredRecord | None, float]] = {}

    async def get(self, function_id: str, name: str) -> StoredRecord | None:
        """The note of that name; None where there is none."""
        place = _place(function_id, name)
        return self._remember(place, await self._record_store.get(_KIND, place))

    async def recent(self, function_id: str, name: str) -> StoredRecord | None:
        """The same, as it was a few seconds ago at most, and as this process has changed it."""
        record, read_at = self._known.get(_place(function_id, name), (None, float("-inf")))
        return record if self._clock.monotonic() - read_at < _FRESH_S else await self.get(function_id, name)

    async def put(self, function_id: str, name: str, value: Raw, *, revision: str | None) -> StoredRecord:
        """Keep the note if it is at this revision (None: if there is none). Raises `RevisionConflict`."""
        place = _place(function_id, name)
        record = await self._record_store.put(_KIND, place, value, revision=revision)
        self._remember(place, record)
        return record

    async def delete(self, function_id: str, name: str) -> None:
        """Forget the note. Idempotent."""
        place = _place(function_id, name)
        await self._record_store.delete(_KIND, place)
        self._remember(place, None)

    async def page(self, function_id: str, prefix: str = "", *, limit: int, cursor: str | None) -> Page[StoredRecord]:
        """The function's notes whose names begin so, in order. Raises `MalformedRequest` for a foreign cursor."""
        place = _place(function_id, prefix)
        return await self._record_store.list_records(_KIND, prefix=place, limit=limit, cursor=cursor)

    def all(self, function_id: str, prefix: str = "") -> AsyncIterator[StoredRecord]:
        """All of them."""
        return all_records(self._record_store, _KIND, prefix=_place(function_id, prefix))

    async def forget_all(self, function_id: str) -> None:
        """Forget the notes on a function that is gone."""
        async for record in self.all(function_id):
            await self._record_store.delete(_KIND, record.name)
            self._remember(record.name, None)

    def _remember(self, place: str, record: StoredRecord | None) -> StoredRecord | None:
        self._known[place] = record, self._clock.monotonic()
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return record


def _place(function_id: str, name: str) -> str:
    return f"{function_id}/{name}"
