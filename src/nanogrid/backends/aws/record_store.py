"""The record store on DynamoDB: one item for each record."""

import secrets

from msgspec import Raw

from nanogrid.backends.aws.dynamo import ConditionFailed, Dynamo, Item, Query, Write, after, content, text, under
from nanogrid.backends.cursors import record_name_from, to_cursor
from nanogrid.errors import RevisionConflict
from nanogrid.model import StoredRecord
from nanogrid.ports import Page, RecordStore
from nanogrid.ports.record_rules import check_kind, check_name, check_value


class AwsRecordStore(RecordStore):
    """Items `record#<kind>` of the functions table."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        """The table is `NanoGridFunctions`, or as it was named."""
        self._dynamo = dynamo
        self._table = table

    async def get(self, kind: str, name: str) -> StoredRecord | None:
        """See the port."""
        item = await self._dynamo.get(self._table, _key(kind, name))
        return None if item is None else _record(kind, item)

    async def put(self, kind: str, name: str, value: Raw, *, revision: str | None) -> StoredRecord:
        """See the port."""
        check_value(value)
        record = StoredRecord(kind=kind, name=name, value=value, revision=secrets.token_hex(8))
        write = Write(
            table_name=self._table,
            item=stored_item(record),
            condition_expression="attribute_not_exists(pk)" if revision is None else "revision = :seen",
            expression_attribute_values=None if revision is None else {":seen": text(revision)},
        )
        try:
            await self._dynamo.write(write)
        except ConditionFailed as exc:
            # It may be our own: the answer was lost, and the write was made again.
            if exc.item is None or exc.item["revision"].text != record.revision:
                raise _conflict(kind, name) from exc
        return record

    async def delete(self, kind: str, name: str, *, revision: str | None = None) -> None:
        """See the port."""
        write = Write(table_name=self._table, key=_key(kind, name))
        if revision is not None:
            write.condition_expression = "attribute_not_exists(pk) OR revision = :seen"
            write.expression_attribute_values = {":seen": text(revision)}
        try:
            await self._dynamo.write(write)
        except ConditionFailed as exc:
            raise _conflict(kind, name) from exc

    async def list_records(
        self, kind: str, *, prefix: str = "", limit: int, cursor: str | None = None
    ) -> Page[StoredRecord]:
        """See the port."""
        check_kind(kind)
        if prefix:
            check_name(prefix)
        low = (prefix or None) if cursor is None else after(record_name_from(cursor, prefix))
        query = Query(self._table, "pk", f"record#{kind}", "sk", low=low, high=under(prefix) if prefix else None)
        found = [_record(kind, item) for item in await self._dynamo.query(query, limit=limit + 1)]
        page = found[:limit]
        more = len(found) > limit and bool(page)
        return Page(items=page, next_cursor=to_cursor(page[-1].name) if more else None)


def _key(kind: str, name: str) -> Item:
    check_kind(kind)
    check_name(name)
    return {"pk": text(f"record#{kind}"), "sk": text(name)}


def stored_item(record: StoredRecord) -> Item:
    """The item that a record is kept as."""
    key = _key(record.kind, record.name)
    return key | {"value": content(bytes(record.value)), "revision": text(record.revision)}


def _record(kind: str, item: Item) -> StoredRecord:
    return StoredRecord(
        kind=kind, name=item["sk"].text, value=Raw(item["value"].content), revision=item["revision"].text
    )


def _conflict(kind: str, name: str) -> RevisionConflict:
    return RevisionConflict(f"the {kind} {name!r} was changed meanwhile.", hint="Read it again and repeat the change.")
