"""Reading a listing to its end, where that end is known to be near."""

from collections.abc import AsyncIterator

from nanogrid.model import StoredRecord
from nanogrid.ports import RecordStore

_PAGE = 200


async def all_records(store: RecordStore, kind: str, *, prefix: str = "") -> AsyncIterator[StoredRecord]:
    """Every record of that kind whose name begins so, in order of name, page by page."""
    cursor: str | None = None
    while True:
        page = await store.list_records(kind, prefix=prefix, limit=_PAGE, cursor=cursor)
        for record in page.items:
            yield record
        cursor = page.next_cursor
        if cursor is None:
            return
