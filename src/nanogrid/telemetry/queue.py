"""Two spans for each lease: how long its task waited, and how long a worker held it."""

from msgspec import structs
from opentelemetry.trace import Span, SpanKind

from nanogrid.model import DEFAULT_TENANT, DeadLetter, Depth, Lease, Standing, Task
from nanogrid.ports import DeadLetters, Page, TaskQueue
from nanogrid.telemetry.spans import Attributes, Spans, traceparent_of


class Held:
    """The spans of the leases that are held."""

    def __init__(self, spans: Spans) -> None:
        """None is held yet."""
        self._spans = spans
        self._by_receipt: dict[str, Span] = {}

    def begin(self, lease: Lease) -> Lease:
        """The lease, whose task is told the worker's span as its parent."""
        task = lease.task
        attributes: Attributes = {
            "nanogrid.run_id": task.run_id,
            "nanogrid.function_id": task.function_id,
            "nanogrid.function_version": task.version,
            "nanogrid.attempt": lease.attempt,
        }
        self._spans.note("queue.wait", task.traceparent, attributes, began=task.enqueued_at)
        span = self._spans.begin("worker.attempt", task.traceparent, attributes, kind=SpanKind.CONSUMER)
        self._by_receipt[lease.receipt] = span
        return structs.replace(lease, task=structs.replace(task, traceparent=traceparent_of(span)))

    def end(self, lease: Lease, *, error: str = "") -> None:
        """The lease is held no more."""
        if (span := self._by_receipt.pop(lease.receipt, None)) is not None:
            self._spans.end(span, error=error)

    def end_all(self) -> None:
        """Nobody holds anything: the grid stops."""
        for span in self._by_receipt.values():
            self._spans.end(span, error="the grid stopped")
        self._by_receipt.clear()


class TracedQueue(TaskQueue):
    """A task queue, and the spans of its leases."""

    def __init__(self, queue: TaskQueue, held: Held) -> None:
        """Everything is the inner queue's to do."""
        self._queue = queue
        self._held = held

    async def send(self, task: Task, *, durable: bool, delay_s: float = 0.0) -> None:
        """See the port."""
        await self._queue.send(task, durable=durable, delay_s=delay_s)

    async def receive(self, *, limit: int, wait_s: float) -> list[Lease]:
        """See the port."""
        return [self._held.begin(lease) for lease in await self._queue.receive(limit=limit, wait_s=wait_s)]

    async def extend(self, lease: Lease) -> None:
        """See the port."""
        await self._queue.extend(lease)

    async def ack(self, lease: Lease) -> None:
        """See the port."""
        self._held.end(lease)
        await self._queue.ack(lease)

    async def release(self, lease: Lease, *, delay_s: float = 0.0, failed: bool) -> None:
        """See the port."""
        self._held.end(lease, error="the platform failed" if failed else "")
        await self._queue.release(lease, delay_s=delay_s, failed=failed)

    async def depth(self) -> Depth:
        """See the port."""
        return await self._queue.depth()

    async def standing(self, run_id: str) -> Standing | None:
        """See the port."""
        return await self._queue.standing(run_id)

    @property
    def lease_s(self) -> float:
        """See the port."""
        return self._queue.lease_s


class TracedDeadLetters(DeadLetters):
    """Dead letters, each the end of a lease."""

    def __init__(self, dead_letters: DeadLetters, held: Held) -> None:
        """Everything is the inner one's to do."""
        self._dead_letters = dead_letters
        self._held = held

    async def bury(self, lease: Lease, reason: str) -> DeadLetter:
        """See the port."""
        self._held.end(lease, error=reason)
        return await self._dead_letters.bury(lease, reason)

    async def list_letters(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[DeadLetter]:
        """See the port."""
        return await self._dead_letters.list_letters(tenant=tenant, limit=limit, cursor=cursor)

    async def redrive(self, run_id: str) -> None:
        """See the port."""
        await self._dead_letters.redrive(run_id)
