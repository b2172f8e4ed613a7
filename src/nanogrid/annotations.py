"""What a face of the grid keeps beside a function, such as a description: carried by the platform, and not understood.

Each note has a name below its function's id, and goes with the function.
"""

from collections.abc import AsyncIterator

from msgspec import Raw

from nanogrid.model import StoredRecord
from nanogrid.ports import Page, RecordStore
from nanogrid.ports.listing import all_records

_KIND = "annotation"


class Annotations:
    """Keeps notes on functions."""

    def __init__(self, record_store: RecordStore) -> None:
        """Nothing is read yet."""
        self._record_store = record_store

    async def get(self, function_id: str, name: str) -> StoredRecord | None:
        """The note of that name; None where there is none."""
        return await self._record_store.get(_KIND, _place(function_id, name))

    async def put(self, function_id: str, name: str, value: Raw, *, revision: str | None) -> StoredRecord:
        """Keep the note if it is at this revision (None: if there is none). Raises `RevisionConflict`."""
        return await self._record_store.put(_KIND, _place(function_id, name), value, revision=revision)

    async def delete(self, function_id: str, name: str) -> None:
        """Forget the note. Idempotent."""
        await self._record_store.delete(_KIND, _place(function_id, name))

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


def _place(function_id: str, name: str) -> str:
    return f"{function_id}/{name}"
