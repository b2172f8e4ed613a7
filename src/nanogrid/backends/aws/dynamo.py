"""DynamoDB: the few operations that the adapters need, on typed items."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from msgspec import Struct

from nanogrid.backends.aws.client import JsonService
from nanogrid.backends.aws.faults import AwsError

#: Most that one BatchGetItem or TransactWriteItems takes.
_MOST_ITEMS = 100
_FAILED_CONDITION = "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"


class Attribute(Struct, omit_defaults=True, frozen=True):
    """One attribute's value: exactly one of a text, a number as text, and bytes."""

    S: str | None = None
    N: str | None = None
    B: bytes | None = None

    @property
    def text(self) -> str:
        """The text."""
        return self.S or ""

    @property
    def number(self) -> int:
        """The number."""
        return int(self.N or 0)

    @property
    def content(self) -> bytes:
        """The bytes."""
        return self.B or b""


Item = dict[str, Attribute]


def text(value: str) -> Attribute:
    """A text as an attribute."""
    return Attribute(S=value)


def number(value: int) -> Attribute:
    """A number as an attribute."""
    return Attribute(N=str(value))


def content(value: bytes) -> Attribute:
    """Bytes as an attribute."""
    return Attribute(B=value)


class ConditionFailed(Exception):
    """Raised when the condition of a write does not hold; `item` is what is there instead, if anything."""

    def __init__(self, item: Item | None) -> None:
        """`item` is as it stood when the condition was checked."""
        super().__init__("the condition of a write does not hold")
        self.item = item


class _Returned(Struct, rename="pascal"):
    item: Item | None = None
    attributes: Item | None = None


class _Reason(Struct, rename="pascal"):
    code: str = ""
    item: Item | None = None


class _Cancelled(Struct, rename="pascal"):
    cancellation_reasons: list[_Reason] = []


class _Keys(Struct, rename="pascal"):
    keys: list[Item]


class _Batch(Struct, rename="pascal"):
    responses: dict[str, list[Item]] = {}
    unprocessed_keys: dict[str, _Keys] = {}


class _Queried(Struct, rename="pascal"):
    items: list[Item] = []
    last_evaluated_key: Item | None = None


class Write(Struct, omit_defaults=True, rename="pascal", kw_only=True):
    """One conditional write, as UpdateItem, PutItem and DeleteItem take it."""

    table_name: str
    item: Item | None = None
    key: Item | None = None
    update_expression: str | None = None
    condition_expression: str | None = None
    expression_attribute_names: dict[str, str] | None = None
    expression_attribute_values: Item | None = None
    return_values: str | None = None
    return_values_on_condition_check_failure: str | None = None

    @property
    def operation(self) -> str:
        """What kind of write it is."""
        if self.item is not None:
            return "Put"
        return "Delete" if self.update_expression is None else "Update"


class Query(Struct, frozen=True):
    """Which items of a partition, in the order of their sort keys; both bounds belong to what is asked for."""

    table: str
    hash_key: str
    hash_value: str
    range_key: str
    index: str | None = None
    low: str | None = None
    high: str | None = None
    descending: bool = False


class Dynamo:
    """All methods raise `AwsError` for what nobody expects."""

    def __init__(self, service: JsonService) -> None:
        """The service is DynamoDB's."""
        self._service = service

    async def get(self, table: str, key: Item) -> Item | None:
        """The item as it is now."""
        body = msgspec.json.encode({"TableName": table, "Key": key, "ConsistentRead": True})
        return msgspec.json.decode(await self._service.call("GetItem", body), type=_Returned).item

    async def get_many(self, table: str, keys: Iterable[Item], *, attributes: tuple[str, ...] = ()) -> list[Item]:
        """Those of the items that exist, as they are now, in any order; all or these attributes of them."""
        found = await asyncio.gather(*(self._get_batch(table, part, attributes) for part in parts(keys, _MOST_ITEMS)))
        return [item for batch in found for item in batch]

    async def write(self, write: Write) -> Item | None:
        """Do one write; what `return_values` asks for. Raises `ConditionFailed`."""
        if write.condition_expression:
            write.return_values_on_condition_check_failure = "ALL_OLD"
        try:
            body = await self._service.call(f"{write.operation}Item", msgspec.json.encode(write))
        except AwsError as exc:
            if exc.kind != _FAILED_CONDITION:
                raise
            raise ConditionFailed(msgspec.json.decode(exc.body, type=_Returned).item) from exc
        return msgspec.json.decode(body, type=_Returned).attributes

    async def transact(self, writes: list[Write], *, token: str) -> list[ConditionFailed | None]:
        """Do all or none: None for each where they are done, else which conditions did not hold.

        `token` makes the same call twice the same as once.
        """
        for write in writes:
            write.return_values_on_condition_check_failure = "ALL_OLD"
        body = {"TransactItems": [{write.operation: write} for write in writes], "ClientRequestToken": token}
        try:
            await self._service.call("TransactWriteItems", msgspec.json.encode(body))
        except AwsError as exc:
            if exc.kind != _CANCELLED:
                raise
            reasons = msgspec.json.decode(exc.body, type=_Cancelled).cancellation_reasons
            failed = [ConditionFailed(one.item) if one.code == "ConditionalCheckFailed" else None for one in reasons]
            if not any(failed):
                raise Busy(str(exc)) from exc
            return failed
        return [None] * len(writes)

    async def query(self, query: Query, *, limit: int) -> list[Item]:
        """The first so many items of the query."""
        found: list[Item] = []
        start: Item | None = None
        while len(found) < limit:
            body = msgspec.json.encode(_query_request(query, limit - len(found), start))
            page = msgspec.json.decode(await self._service.call("Query", body), type=_Queried)
            found += page.items
            start = page.last_evaluated_key
            if start is None:
                break
        return found

    async def delete_all(self, table: str, keys: list[Item]) -> None:
        """Delete these items, one after the other or together; absent ones are no error."""
        await asyncio.gather(*(self.write(Write(table_name=table, key=key)) for key in keys))

    async def _get_batch(self, table: str, keys: list[Item], attributes: tuple[str, ...]) -> list[Item]:
        found: list[Item] = []
        while keys:
            wanted: dict[str, object] = {"Keys": keys, "ConsistentRead": True}
            if attributes:
                names = {f"#a{n}": name for n, name in enumerate(attributes)}
                wanted |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
            body = msgspec.json.encode({"RequestItems": {table: wanted}})
            batch = msgspec.json.decode(await self._service.call("BatchGetItem", body), type=_Batch)
            found += batch.responses.get(table, [])
            left = batch.unprocessed_keys.get(table)
            keys = left.keys if left else []
        return found


class Busy(Exception):
    """Raised when a transaction met another one; the same call may be made again."""


def parts(all_items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most that many."""
    rest = iter(all_items)
    while part := list(islice(rest, size)):
        yield part


def _query_request(query: Query, limit: int, start: Item | None) -> dict[str, object]:
    conditions, names, values = ["#h = :h"], {"#h": query.hash_key}, {":h": text(query.hash_value)}
    if query.low is not None and query.high is not None:
        conditions.append("#r BETWEEN :low AND :high")
    elif query.low is not None or query.high is not None:
        conditions.append("#r <= :high" if query.low is None else "#r >= :low")
    values |= {f":{end}": text(bound) for end, bound in (("low", query.low), ("high", query.high)) if bound is not None}
    if len(conditions) > 1:
        names["#r"] = query.range_key
    request: dict[str, object] = {
        "TableName": query.table,
        "KeyConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": not query.descending,
        "Limit": limit,
    }
    # An index follows its table within moments, and cannot be asked otherwise.
    request |= {"IndexName": query.index} if query.index else {"ConsistentRead": True}
    return request | ({"ExclusiveStartKey": start} if start else {})


def after(place: str) -> str:
    """The first key that sorts behind this one."""
    return place + "\0"


def under(prefix: str) -> str:
    """Sorts behind every key that begins so."""
    return prefix + "\x7f"
