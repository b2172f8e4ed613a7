"""Listings of runs: the indexes are asked for keys, all partitions at once, and the table for the runs."""

import asyncio

from nanogrid.backends.aws import run_item
from nanogrid.backends.aws.dynamo import Dynamo, Item, Query, under
from nanogrid.backends.aws.payloads import Payloads
from nanogrid.backends.aws.tables import SHARDS
from nanogrid.backends.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.identifiers import is_run_id
from nanogrid.model import Run, RunStatus
from nanogrid.ports import Page


class RunListing:
    """Reads a page of each partition, and keeps the newest of all."""

    def __init__(self, dynamo: Dynamo, payloads: Payloads, table: str) -> None:
        """The table is `NanoGridRuns`, or as it was named."""
        self._dynamo = dynamo
        self._payloads = payloads
        self._table = table

    async def page(
        self, *, tenant: str, function_id: str | None, status: RunStatus | None, limit: int, cursor: str | None
    ) -> Page[Run]:
        """See `RunStore.list_runs`."""
        high = None if cursor is None else before(_run_id_from(cursor))
        queries = [self._query(tenant, function_id, status, part, high) for part in range(SHARDS)]
        listed = await asyncio.gather(*(self._dynamo.query(query, limit=limit + 1) for query in queries))
        run_ids = sorted((item["pk"].text for items in listed for item in items), reverse=True)
        page = run_ids[:limit]
        runs = await self._runs(page)
        # An index follows the table within moments; a run that went on meanwhile is not shown as what it was.
        runs = [run for run in runs if status in (None, run.status)]
        more = len(run_ids) > limit and bool(page)
        return Page(items=runs, next_cursor=to_cursor(page[-1]) if more else None)

    async def _runs(self, run_ids: list[str]) -> list[Run]:
        keys = [run_item.key(run_id) for run_id in run_ids]
        items = await self._dynamo.get_many(self._table, keys, attributes=run_item.WITHOUT_INPUT)
        runs = await asyncio.gather(*(self._run(item) for item in items))
        return sorted(runs, key=lambda run: run.run_id, reverse=True)

    async def _run(self, item: Item) -> Run:
        return await run_item.to_run(item, self._payloads, with_input=False)

    def _query(
        self, tenant: str, function_id: str | None, status: RunStatus | None, part: int, high: str | None
    ) -> Query:
        if function_id is None:
            hash_key, listing = "listAll", run_item.listing_of_all(tenant, part)
            index = "byAll" if status is None else "byStatus"
        else:
            hash_key, listing = "listFunction", run_item.listing_of_function(tenant, function_id, part)
            index = "byFunction" if status is None else "byFunctionStatus"
        if status is None:
            return Query(self._table, hash_key, listing, "place", index=index, high=high, descending=True)
        mark = f"{status.value}#"
        until = under(mark) if high is None else mark + high
        return Query(self._table, hash_key, listing, "statusPlace", index=index, low=mark, high=until, descending=True)


def before(place: str) -> str:
    """Sorts behind every identifier that sorts before this one, and before it."""
    return place[:-1] + chr(ord(place[-1]) - 1) + "~"


def _run_id_from(cursor: str) -> str:
    run_id = from_cursor(cursor)
    if not is_run_id(run_id):
        raise foreign_cursor(cursor)
    return run_id
