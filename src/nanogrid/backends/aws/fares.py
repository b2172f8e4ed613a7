"""How tasks have fared that were handed out more than once: SQS counts receives, not failures.

A receive is no failure where the task was given back without one, and where whoever had it was lost before its attempt
had begun: a worker that dies takes more tasks along than the one that it died of. Nothing is written or read for a
task that is handed out once and done.
"""

import asyncio
from collections.abc import Mapping

from nanogrid.backends.aws import run_item
from nanogrid.backends.aws.dynamo import ConditionFailed, Dynamo, Item, Write, number, text
from nanogrid.backends.aws.tables import EXPIRES_AT
from nanogrid.clock import Clock
from nanogrid.model import RunStatus

#: Longer than any task can stay on the queue.
_KEPT_S = 15 * 24 * 3600
_ATTRIBUTES = ("pk", "givenBack", "unbegun", "answered", "status", "attempt")


class Fares:
    """Items `task#<run id>` of the runs table."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        """The table is `NanoGridRuns`, or as it was named."""
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    async def note_return(self, run_id: str, attempt: int) -> None:
        """The task is given back, and the platform did not fail at it."""
        await self._dynamo.write(self._answer(run_id, attempt, "givenBack", 1))

    async def note_failure(self, run_id: str, attempt: int) -> None:
        """The task is given back because the platform failed at it, whether its attempt had begun or not."""
        await self._dynamo.write(self._answer(run_id, attempt, "givenBack", 0))

    async def forgiven(self, earlier: Mapping[str, range]) -> dict[str, int]:
        """How many of each task's earlier attempts were no failures; the ranges are those of one message.

        What nobody has answered for is looked into, and noted, by whoever receives the task next.
        """
        keys = [key for run_id in earlier for key in (_key(run_id), run_item.key(run_id))]
        items = await self._dynamo.get_many(self._table, keys, attributes=_ATTRIBUTES) if keys else []
        known = {item["pk"].text: item for item in items}
        counts = await asyncio.gather(
            *(self._forgiven(run_id, attempts, known) for run_id, attempts in earlier.items())
        )
        return dict(zip(earlier, counts, strict=True))

    async def returns(self, run_id: str) -> int:
        """How often it was given back without a failure."""
        item = await self._dynamo.get(self._table, _key(run_id))
        return _count(item, "givenBack")

    async def forget(self, run_id: str) -> None:
        """The task begins anew."""
        await self._dynamo.write(Write(table_name=self._table, key=_key(run_id)))

    async def _forgiven(self, run_id: str, attempts: range, known: Mapping[str, Item]) -> int:
        fare, run = known.get(_key(run_id)["pk"].text), known.get(run_id)
        unbegun = 0
        silent = range(max(attempts.start, _count(fare, "answered") + 1), attempts.stop)
        if silent and run is not None:
            unbegun = len(silent) - _had_begun(run, silent)
            await self._note_unbegun(run_id, silent[-1], unbegun)
        return _count(fare, "givenBack") + _count(fare, "unbegun") + unbegun

    async def _note_unbegun(self, run_id: str, attempt: int, count: int) -> None:
        write = self._answer(run_id, attempt, "unbegun", count)
        write.condition_expression = "attribute_not_exists(answered) OR answered < :attempt"
        try:
            await self._dynamo.write(write)
        except ConditionFailed:
            return  # whoever has a copy of the message was first

    def _answer(self, run_id: str, attempt: int, counter: str, count: int) -> Write:
        """The end of an attempt is known; so many more count as none."""
        expires = int(self._clock.now().timestamp()) + _KEPT_S
        return Write(
            table_name=self._table,
            key=_key(run_id),
            update_expression="SET #e = :e, answered = :attempt ADD #c :count",
            expression_attribute_names={"#e": EXPIRES_AT, "#c": counter},
            expression_attribute_values={":e": number(expires), ":attempt": number(attempt), ":count": number(count)},
        )


def _had_begun(run: Item, attempts: range) -> bool:
    """Whether one of these attempts was on its way in a sandbox, as far as the run's record tells."""
    return run["attempt"].number in attempts and run["status"].text != RunStatus.QUEUED.value


def _count(item: Item | None, name: str) -> int:
    return item[name].number if item is not None and name in item else 0


def _key(run_id: str) -> Item:
    return {"pk": text(f"task#{run_id}")}
