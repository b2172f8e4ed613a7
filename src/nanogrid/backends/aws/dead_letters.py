"""The dead letters on DynamoDB, with their tasks; and the undertaker of what SQS itself gave up on."""

import secrets

import msgspec
from msgspec import structs

from nanogrid.backends.aws.dynamo import ConditionFailed, Dynamo, Item, Query, Write, content, number, text
from nanogrid.backends.aws.envelope import Envelopes
from nanogrid.backends.aws.fares import Fares
from nanogrid.backends.aws.run_listing import before
from nanogrid.backends.aws.task_queue import AwsTaskQueue
from nanogrid.backends.cursors import foreign_cursor, from_cursor, to_cursor
from nanogrid.clock import Clock
from nanogrid.errors import DeadLetterNotFound
from nanogrid.identifiers import is_sortable, sortable
from nanogrid.model import DEFAULT_TENANT, DeadLetter, Lease, Task
from nanogrid.ports import DeadLetters, Page

#: Letters are few: one partition of the index lists all of a tenant.
_LISTING = "letters#"
#: How long whoever redrives a letter may take, in seconds; after a crash the next one may then.
_CLAIM_S = 60

_decoder = msgspec.json.Decoder(DeadLetter)


class AwsDeadLetters(DeadLetters):
    """Items `letter#<run id>` of the runs table."""

    def __init__(
        self, task_queue: AwsTaskQueue, envelopes: Envelopes, fares: Fares, dynamo: Dynamo, table: str, clock: Clock
    ) -> None:
        """The table is `NanoGridRuns`, or as it was named."""
        self._task_queue = task_queue
        self._envelopes = envelopes
        self._fares = fares
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    async def bury(self, lease: Lease, reason: str) -> DeadLetter:
        """See the port. The letter is written before its message goes; a crash between the two repeats it."""
        self._task_queue.check(lease)
        letter = await self.keep(lease.task, reason, failures=lease.failures, attempt=lease.attempt)
        await self._task_queue.ack(lease)
        return letter

    async def keep(self, task: Task, reason: str, *, failures: int, attempt: int) -> DeadLetter:
        """Write a letter, in the place of an earlier one of the same run."""
        letter = DeadLetter(
            run_id=task.run_id,
            function_id=task.function_id,
            tenant=task.tenant,
            reason=reason,
            failures=failures,
            buried_at=self._clock.now(),
        )
        item = _key(task.run_id) | {
            "listAll": text(_LISTING + task.tenant),
            "place": text(sortable()),
            "record": content(msgspec.json.encode(letter)),
            "message": text(await self._envelopes.seal(task, attempts=attempt)),
        }
        await self._dynamo.write(Write(table_name=self._table, item=item))
        return letter

    async def list_letters(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[DeadLetter]:
        """See the port."""
        high = None if cursor is None else before(_place_from(cursor))
        query = Query(self._table, "listAll", _LISTING + tenant, "place", index="byAll", high=high, descending=True)
        listed = await self._dynamo.query(query, limit=limit + 1)
        page = listed[:limit]
        keys = [{"pk": item["pk"]} for item in page]
        found = await self._dynamo.get_many(self._table, keys, attributes=("place", "record"))
        found.sort(key=lambda item: item["place"].text, reverse=True)
        more = len(listed) > limit and bool(page)
        letters = [_decoder.decode(item["record"].content) for item in found]
        return Page(items=letters, next_cursor=to_cursor(page[-1]["place"].text) if more else None)

    async def redrive(self, run_id: str) -> None:
        """See the port. The task is sent before its letter goes, so that a crash leaves one or both."""
        token = secrets.token_hex(8)
        letter = await self._claim(run_id, token)
        buried = await self._envelopes.open(letter["message"].text)
        task = structs.replace(buried.task, enqueued_at=self._clock.now())
        await self._fares.forget(run_id)
        body = await self._envelopes.seal(task, attempts=buried.attempts)
        await self._task_queue.resend(body, group=task.function_id)
        gone = Write(
            table_name=self._table,
            key=_key(run_id),
            condition_expression="attribute_not_exists(pk) OR claimed = :mine",
            expression_attribute_values={":mine": text(token)},
        )
        try:
            await self._dynamo.write(gone)
        except ConditionFailed:
            # It ran, died and was buried again meanwhile: that letter stays.
            return

    async def _claim(self, run_id: str, token: str) -> Item:
        """The letter, which nobody else redrives now. Raises `DeadLetterNotFound`."""
        now = int(self._clock.now().timestamp())
        claim = Write(
            table_name=self._table,
            key=_key(run_id),
            update_expression="SET claimed = :mine, claimedAt = :now",
            condition_expression=(
                "attribute_exists(pk) AND (attribute_not_exists(claimed) OR claimed = :mine OR claimedAt < :old)"
            ),
            expression_attribute_values={":mine": text(token), ":now": number(now), ":old": number(now - _CLAIM_S)},
            return_values="ALL_NEW",
        )
        try:
            item = await self._dynamo.write(claim)
        except ConditionFailed as exc:
            raise DeadLetterNotFound(
                f"no dead letter belongs to the run {run_id[:80]!r}, or it is being redriven.",
                hint="GET /dead-letters lists all.",
            ) from exc
        return item or {}


def _key(run_id: str) -> Item:
    return {"pk": text(f"letter#{run_id}")}


def _place_from(cursor: str) -> str:
    place = from_cursor(cursor)
    if not is_sortable(place):
        raise foreign_cursor(cursor)
    return place
