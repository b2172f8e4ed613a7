"""How often a task was given back without a failure: SQS counts receives, not failures.

Nothing is written or read for a task that is handed out once and done.
"""

from collections.abc import Iterable

from nanogrid.backends.aws.dynamo import Dynamo, Item, Write, number, text
from nanogrid.backends.aws.tables import EXPIRES_AT
from nanogrid.clock import Clock

#: Longer than any task can stay on the queue.
_KEPT_S = 15 * 24 * 3600


class Fares:
    """Items `task#<run id>` of the runs table."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        """The table is `NanoGridRuns`, or as it was named."""
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    async def note_return(self, run_id: str) -> None:
        """The task is given back, and the platform did not fail at it."""
        expires = int(self._clock.now().timestamp()) + _KEPT_S
        await self._dynamo.write(
            Write(
                table_name=self._table,
                key=_key(run_id),
                update_expression="SET #e = :e ADD #g :one",
                expression_attribute_names={"#e": EXPIRES_AT, "#g": "givenBack"},
                expression_attribute_values={":e": number(expires), ":one": number(1)},
            )
        )

    async def returns(self, run_ids: Iterable[str]) -> dict[str, int]:
        """How often each was given back so; those that never were are missing."""
        keys = [_key(run_id) for run_id in run_ids]
        items = await self._dynamo.get_many(self._table, keys) if keys else []
        return {item["pk"].text.removeprefix("task#"): item["givenBack"].number for item in items}

    async def forget(self, run_id: str) -> None:
        """The task begins anew."""
        await self._dynamo.write(Write(table_name=self._table, key=_key(run_id)))


def _key(run_id: str) -> Item:
    return {"pk": text(f"task#{run_id}")}
