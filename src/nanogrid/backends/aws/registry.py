"""The registry on DynamoDB.

A function's latest version, its name, each version and each use of code are items of their own; what must agree is
written in one transaction. Versions never change, so they are kept in memory; whether the function is still there, and
which version is the latest, is asked each time.
"""

import secrets
from collections import OrderedDict

import msgspec

from nanogrid.backends.aws.dynamo import Busy, ConditionFailed, Dynamo, Item, Query, Write, after, content, text, under
from nanogrid.backends.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.clock import Clock
from nanogrid.errors import FunctionNotFound, NameTaken, RevisionConflict, StoreUnavailable
from nanogrid.identifiers import is_function_name
from nanogrid.model import DEFAULT_TENANT, Function
from nanogrid.ports import Page, Registry

_VERSIONS_KEPT = 1_000
_NAMES_KEPT = 10_000
#: Tries of a transaction that met another one.
_TRIES = 8
_FIRST_PAUSE_S = 0.02
#: Most items of one function that are read at once; a function with more versions is read in as many steps.
_ALL = 1_000_000
_LISTING = "functions#"

_decoder = msgspec.json.Decoder(Function)


class AwsRegistry(Registry):
    """Items of the functions table."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        """The table is `NanoGridFunctions`, or as it was named."""
        self._dynamo = dynamo
        self._table = table
        self._clock = clock
        self._versions: OrderedDict[tuple[str, int], Function] = OrderedDict()
        #: Which id a tenant's name had when it was last asked for; the function itself tells whether it still has it.
        self._ids: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def create(self, function: Function) -> None:
        """See the port."""
        record = content(msgspec.json.encode(function))
        name = Write(
            table_name=self._table,
            item=_name_key(function.tenant, function.name) | {"functionId": text(function.function_id)},
            condition_expression="attribute_not_exists(pk)",
        )
        head = Write(table_name=self._table, item=_head(function) | {"record": record})
        failed = await self._transact([name, head, *self._version_writes(function)])
        taken = failed[0]
        if taken is not None and (taken.item is None or taken.item["functionId"].text != function.function_id):
            raise NameTaken(f"a function {function.name!r} exists.", hint="Update it, or choose another name.")

    async def update(self, function: Function) -> None:
        """See the port."""
        record = content(msgspec.json.encode(function))
        head = Write(
            table_name=self._table,
            item=_head(function) | {"record": record},
            condition_expression="version = :before",
            expression_attribute_values={":before": text(str(function.version - 1))},
        )
        failed = await self._transact([head, *self._version_writes(function)])
        if failed[0] is None:
            return
        if failed[0].item is None:
            raise _no_function(function.function_id)
        raise RevisionConflict(
            f"the function {function.name!r} is at version {failed[0].item['version'].text}; "
            f"{function.version} can't follow it.",
            hint="Read it again and repeat the change.",
        )

    async def get(self, reference: str, version: int | None = None, *, tenant: str = DEFAULT_TENANT) -> Function:
        """See the port. One read where the name was asked for before, else two."""
        latest = await self._latest(tenant, reference)
        if version is None or version == latest.version:
            return latest
        known = self._versions.get((latest.function_id, version))
        return known or await self._read_version(latest, version)

    async def list_functions(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[Function]:
        """See the port."""
        low = None if cursor is None else after(_name_from(cursor))
        query = Query(self._table, "listing", _LISTING + tenant, "name", index="byName", low=low)
        listed = await self._dynamo.query(query, limit=limit + 1)
        page = listed[:limit]
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in page]
        found = await self._dynamo.get_many(self._table, keys, attributes=("record",))
        functions = sorted((_decoded(item) for item in found), key=lambda function: function.name)
        more = len(listed) > limit and bool(page)
        return Page(items=functions, next_cursor=to_cursor(page[-1]["name"].text) if more else None)

    async def versions(self, function_id: str) -> list[Function]:
        """See the port."""
        await self._latest_by_id(function_id)
        query = Query(self._table, "pk", function_id, "sk", low="version#", high=under("version#"))
        items = await self._dynamo.query(query, limit=_ALL)
        return [_decoded(item) for item in reversed(items)]

    async def delete(self, function_id: str) -> list[str]:
        """See the port. A crash in the middle leaves versions that nobody finds, and their code."""
        latest = await self._latest_by_id(function_id)
        versions = await self.versions(function_id)
        head = Write(
            table_name=self._table,
            key=_head_key(function_id),
            condition_expression="version = :latest",
            expression_attribute_values={":latest": text(str(latest.version))},
        )
        failed = await self._transact([head, Write(table_name=self._table, key=_name_key(latest.tenant, latest.name))])
        if failed[0] is not None:
            if failed[0].item is None:
                raise _no_function(function_id)
            return await self.delete(function_id)
        keys = [_version_key(one.function_id, one.version) for one in versions] + [_use_key(one) for one in versions]
        await self._dynamo.delete_all(self._table, keys)
        digests = dict.fromkeys(one.code_sha256 for one in reversed(versions))
        return [digest for digest in digests if not await self.uses(digest)]

    async def uses(self, code_sha256: str) -> bool:
        """See the port."""
        query = Query(self._table, "pk", f"code#{code_sha256}", "sk")
        return bool(await self._dynamo.query(query, limit=1))

    def _version_writes(self, function: Function) -> list[Write]:
        key = _version_key(function.function_id, function.version)
        record = content(msgspec.json.encode(function))
        return [
            Write(table_name=self._table, item=key | {"record": record}),
            Write(table_name=self._table, item=_use_key(function)),
        ]

    async def _transact(self, writes: list[Write]) -> list[ConditionFailed | None]:
        """Do all or none, again where another transaction was in the way."""
        for attempt in range(_TRIES):
            try:
                return await self._dynamo.transact(writes, token=secrets.token_hex(16))
            except Busy:
                await self._clock.sleep(_FIRST_PAUSE_S * 2**attempt)
        raise StoreUnavailable("DynamoDB is busy with the same function.", hint="Try again in a moment.")

    async def _latest(self, tenant: str, reference: str) -> Function:
        if not is_function_name(reference):
            function = await self._latest_by_id(reference)
            if function.tenant != tenant:
                raise _no_function(reference)
            return function
        known = self._ids.get((tenant, reference))
        item = None if known is None else await self._dynamo.get(self._table, _head_key(known))
        if item is not None:
            return _decoded(item)
        item = await self._dynamo.get(self._table, _name_key(tenant, reference))
        if item is None:
            raise _no_function(reference)
        function_id = item["functionId"].text
        _remember(self._ids, (tenant, reference), function_id, _NAMES_KEPT)
        return await self._latest_by_id(function_id)

    async def _latest_by_id(self, function_id: str) -> Function:
        item = await self._dynamo.get(self._table, _head_key(function_id))
        if item is None:
            raise _no_function(function_id)
        return _decoded(item)

    async def _read_version(self, latest: Function, version: int) -> Function:
        item = await self._dynamo.get(self._table, _version_key(latest.function_id, version))
        if item is None:
            raise FunctionNotFound(
                f"the function {latest.name!r} has no version {version}.", hint=f"The latest is {latest.version}."
            )
        function = _decoded(item)
        _remember(self._versions, (latest.function_id, version), function, _VERSIONS_KEPT)
        return function


def _remember(cache: OrderedDict, key: object, value: object, kept: int) -> None:  # type: ignore[type-arg]
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > kept:
        cache.popitem(last=False)


def _head(function: Function) -> Item:
    listed = {
        "listing": text(_LISTING + function.tenant),
        "name": text(function.name),
        "version": text(str(function.version)),
    }
    return _head_key(function.function_id) | listed


def _head_key(function_id: str) -> Item:
    return {"pk": text(function_id), "sk": text("latest")}


def _version_key(function_id: str, version: int) -> Item:
    return {"pk": text(function_id), "sk": text(f"version#{version:08}")}


def _name_key(tenant: str, name: str) -> Item:
    return {"pk": text(f"name#{tenant}#{name}"), "sk": text("name")}


def _use_key(function: Function) -> Item:
    return {"pk": text(f"code#{function.code_sha256}"), "sk": text(f"{function.function_id}#{function.version:08}")}


def _decoded(item: Item) -> Function:
    return _decoder.decode(item["record"].content)


def _no_function(reference: str) -> FunctionNotFound:
    return FunctionNotFound(
        f"no function has the id or name {reference[:80]!r}.", reference=reference, hint="GET /functions lists all."
    )


def _name_from(cursor: str) -> str:
    name = from_cursor(cursor)
    if not is_function_name(name):
        raise foreign_cursor(cursor)
    return name
