"""The run store on DynamoDB: every change is one conditional write, so of two who race one wins.

A write whose answer was lost is made again by the client, and would then be refused by its own effect. Each carries a
mark therefore, and who finds his own mark where a condition failed has succeeded.
"""

import asyncio
import hashlib
import secrets

from nanogrid.backends.aws import run_item
from nanogrid.backends.aws.dynamo import Busy, ConditionFailed, Dynamo, Item, Write, number, text
from nanogrid.backends.aws.payloads import Payloads
from nanogrid.backends.aws.run_listing import RunListing
from nanogrid.backends.aws.tables import EXPIRES_AT, RUN_KEPT_S
from nanogrid.clock import Clock
from nanogrid.errors import IdempotencyConflict, RunEnded, RunNotFound, StoreUnavailable
from nanogrid.model import DEFAULT_TENANT, Outcome, Run, RunStatus
from nanogrid.ports import Page, RunStore

_KEY_KEPT_S = 24 * 3600
#: Tries to settle who has an idempotency key, and the first pause between them.
_TRIES = 10
_FIRST_PAUSE_S = 0.02
_LIVE = "#status IN (:queued, :running)"


class AwsRunStore(RunStore):
    """Items of the runs table. Everything is durable when it returns, plain runs too."""

    def __init__(self, dynamo: Dynamo, payloads: Payloads, table: str, clock: Clock) -> None:
        """The table is `NanoGridRuns`, or as it was named."""
        self._dynamo = dynamo
        self._payloads = payloads
        self._table = table
        self._clock = clock
        self._listing = RunListing(dynamo, payloads, table)
        #: Outcomes on their way, by run: who was cancelled while he told one has told it.
        self._finishing: dict[str, asyncio.Task[Run]] = {}

    async def accept(self, run: Run, *, durable: bool, idempotency: tuple[str, str] | None = None) -> Run:
        """See the port."""
        item = await run_item.accepted(run, self._payloads)
        if idempotency is not None:
            return await self._accept_once(run, item, *idempotency)
        try:
            await self._dynamo.write(
                Write(table_name=self._table, item=item, condition_expression="attribute_not_exists(pk)")
            )
        except ConditionFailed:
            # An id is made once: what is there is what this very call wrote.
            return run
        return run

    async def withdraw(self, run_id: str) -> None:
        """See the port."""
        gone = await self._dynamo.write(
            Write(table_name=self._table, key=run_item.key(run_id), return_values="ALL_OLD")
        )
        if gone and "idempotencyKey" in gone:
            await self._forget_key(gone["idempotencyKey"].text, run_id)

    async def persist(self, run_id: str) -> None:
        """See the port. Nothing is ever only in memory."""
        await self._item(run_id)

    async def start(self, run_id: str, attempt: int) -> Run:
        """See the port."""
        await self._settled(run_id)
        values = run_item.status_values(run_id, RunStatus.RUNNING) | {
            "attempt": number(attempt),
            "startedAt": text(self._clock.now().isoformat()),
        }
        item = await self._change(run_id, values, attempt=attempt)
        return await run_item.to_run(item, self._payloads)

    async def finish(self, run_id: str, attempt: int, outcome: Outcome) -> Run:
        """See the port. Returns the run without its input."""
        await self._settled(run_id)
        finishing = asyncio.create_task(self._finish(run_id, attempt, outcome))
        self._finishing[run_id] = finishing
        finishing.add_done_callback(lambda _: self._finishing.pop(run_id, None))
        return await asyncio.shield(finishing)

    async def get(self, run_id: str) -> Run:
        """See the port."""
        return await run_item.to_run(await self._item(run_id), self._payloads)

    async def list_runs(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        function_id: str | None = None,
        status: RunStatus | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """See the port. A run is listed a moment after it was accepted, for the indexes follow the table."""
        return await self._listing.page(
            tenant=tenant, function_id=function_id, status=status, limit=limit, cursor=cursor
        )

    async def reopen(self, run_id: str) -> Run:
        """See the port."""
        values = run_item.status_values(run_id, RunStatus.QUEUED)
        remove = ("outcome", "outcomeReference", "startedAt", "endedAt", EXPIRES_AT)
        item = await self._change(run_id, values, attempt=None, remove=remove)
        return await run_item.to_run(item, self._payloads)

    async def close(self) -> None:
        """See every outcome off."""
        if self._finishing:
            await asyncio.wait(list(self._finishing.values()))

    async def _finish(self, run_id: str, attempt: int, outcome: Outcome) -> Run:
        values = run_item.status_values(run_id, outcome.status)
        values |= await run_item.concluded(outcome, self._payloads)
        again = outcome.status is RunStatus.QUEUED
        now = self._clock.now()
        if not again:
            values["endedAt"] = text(now.isoformat())
        if outcome.status not in (RunStatus.QUEUED, RunStatus.DEAD):
            values[EXPIRES_AT] = number(int(now.timestamp()) + RUN_KEPT_S)
        # An earlier attempt's outcome may have been stored the other way.
        remove = ("outcome",) if "outcomeReference" in values else ("outcomeReference",)
        item = await self._change(run_id, values, attempt=attempt, remove=remove, retried=again)
        return await run_item.to_run(item, self._payloads, with_input=False)

    async def _change(
        self,
        run_id: str,
        values: Item,
        *,
        attempt: int | None,
        remove: tuple[str, ...] = (),
        retried: bool = False,
    ) -> Item:
        """Change a run that lives and that no later attempt has; a dead one where `attempt` is None."""
        mark = secrets.token_hex(8)
        values = values | {"writer": text(mark)}
        names = {f"#s{n}": name for n, name in enumerate(values)} | {f"#r{n}": name for n, name in enumerate(remove)}
        update = "SET " + ", ".join(f"#s{n} = :s{n}" for n in range(len(values)))
        update += f" REMOVE {', '.join(f'#r{n}' for n in range(len(remove)))}" if remove else ""
        update += " ADD #retried :one" if retried else ""
        condition = "#status = :dead" if attempt is None else f"{_LIVE} AND #attempt <= :attempt"
        write = Write(
            table_name=self._table,
            key=run_item.key(run_id),
            update_expression=update,
            condition_expression=f"{condition} AND (attribute_not_exists(#writer) OR #writer <> :mark)",
            expression_attribute_names=names | _names(attempt, retried=retried),
            expression_attribute_values=_values(values, attempt, mark, retried=retried),
            return_values="ALL_NEW",
        )
        try:
            return await self._dynamo.write(write) or {}
        except ConditionFailed as exc:
            if exc.item is not None and exc.item.get("writer") == text(mark):
                return exc.item
            raise _refused(run_id, attempt, exc.item) from exc

    async def _accept_once(self, run: Run, item: Item, key: str, digest: str) -> Run:
        """Write run and key together, or find the run that the key leads to."""
        pause = _FIRST_PAUSE_S
        seen: Item | None = None
        for _ in range(_TRIES):
            writes = self._key_writes(run, item, key, digest, instead_of=seen)
            try:
                failed = (await self._dynamo.transact(writes, token=secrets.token_hex(16)))[0]
            except Busy:
                # Others use the same key this very moment.
                await self._clock.sleep(pause)
                pause *= 2
                continue
            if failed is None:
                return run
            seen = failed.item
            if seen is None:
                continue
            try:
                return await self._earlier(seen, key, digest)
            except RunNotFound:
                continue
        raise StoreUnavailable(f"the idempotency key {key[:80]!r} is in too much use.", hint="Try again in a moment.")

    def _key_writes(self, run: Run, item: Item, key: str, digest: str, *, instead_of: Item | None) -> list[Write]:
        """`instead_of` is a key's item whose run is gone."""
        now = int(self._clock.now().timestamp())
        pk = _key_pk(key)
        key_item = {
            "pk": text(pk),
            "runId": text(run.run_id),
            "digest": text(digest),
            "madeAt": number(now),
            EXPIRES_AT: number(now + _KEY_KEPT_S),
        }
        values = {":old": number(now - _KEY_KEPT_S)}
        condition = "attribute_not_exists(pk) OR madeAt <= :old"
        if instead_of is not None:
            condition += " OR runId = :gone"
            values[":gone"] = instead_of["runId"]
        keeping = Write(
            table_name=self._table,
            item=key_item,
            condition_expression=condition,
            expression_attribute_values=values,
        )
        return [keeping, Write(table_name=self._table, item=item | {"idempotencyKey": text(pk)})]

    async def _earlier(self, known: Item, key: str, digest: str) -> Run:
        earlier = await self.get(known["runId"].text)
        if known["digest"].text != digest:
            raise IdempotencyConflict(
                f"the idempotency key {key[:80]!r} was used with another body, for the run {earlier.run_id}.",
                hint="Use a new key for a new request.",
            )
        return earlier

    async def _forget_key(self, pk: str, run_id: str) -> None:
        gone = Write(
            table_name=self._table,
            key={"pk": text(pk)},
            condition_expression="attribute_not_exists(pk) OR runId = :run",
            expression_attribute_values={":run": text(run_id)},
        )
        try:
            await self._dynamo.write(gone)
        except ConditionFailed:
            return  # another run has it by now

    async def _settled(self, run_id: str) -> None:
        while (finishing := self._finishing.get(run_id)) is not None:
            await asyncio.wait([finishing])

    async def _item(self, run_id: str) -> Item:
        item = await self._dynamo.get(self._table, run_item.key(run_id))
        if item is None:
            raise _no_run(run_id)
        return item


def _names(attempt: int | None, *, retried: bool) -> dict[str, str]:
    names = {"#status": "status", "#writer": "writer"}
    names |= {} if attempt is None else {"#attempt": "attempt"}
    return names | ({"#retried": "retried"} if retried else {})


def _values(values: Item, attempt: int | None, mark: str, *, retried: bool) -> Item:
    given = {f":s{n}": value for n, value in enumerate(values.values())} | {":mark": text(mark)}
    if attempt is None:
        given[":dead"] = text(RunStatus.DEAD.value)
    else:
        given |= {":queued": text(RunStatus.QUEUED.value), ":running": text(RunStatus.RUNNING.value)}
        given[":attempt"] = number(attempt)
    return given | ({":one": number(1)} if retried else {})


def _key_pk(key: str) -> str:
    # A key may be of any length and any characters.
    return f"key#{hashlib.sha256(key.encode()).hexdigest()}"


def _no_run(run_id: str) -> RunNotFound:
    return RunNotFound(f"no run has the id {run_id[:80]!r}.", hint="Old runs are forgotten in time.")


def _refused(run_id: str, attempt: int | None, item: Item | None) -> RunEnded | RunNotFound:
    if item is None:
        return _no_run(run_id)
    status = RunStatus(item["status"].text)
    if attempt is None:
        return RunEnded(f"the run {run_id} is {status}.", hint="Only a dead run can be redriven.")
    if status.ended:
        return RunEnded(f"the run {run_id} has ended already: {status}.")
    return RunEnded(f"attempt {attempt} of the run {run_id} was overtaken by attempt {item['attempt'].number}.")
