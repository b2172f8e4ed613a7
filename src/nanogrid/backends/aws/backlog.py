"""How much waits on the queue, known closely enough to refuse more."""

import asyncio

from nanogrid.backends.aws.sqs import Queue
from nanogrid.clock import Clock
from nanogrid.errors import BacklogFull

#: How old the last count may be, in seconds.
_FRESH_S = 5.0


class Backlog:
    """Counts what this process sends, and asks SQS now and then, and whenever the limit seems to be reached.

    Several processes may together exceed the limit by what they send between two counts.
    """

    def __init__(self, queue: Queue, clock: Clock, *, most: int) -> None:
        """`most` tasks may wait."""
        self._queue = queue
        self._clock = clock
        self._most = most
        self._about = 0
        self._counted_at: float | None = None
        self._counting: asyncio.Task[None] | None = None

    async def admit(self) -> None:
        """Count one more. Raises `BacklogFull`."""
        fresh = self._counted_at is not None and self._clock.monotonic() - self._counted_at < _FRESH_S
        if not fresh or self._about >= self._most:
            await self._count()
        if self._about >= self._most:
            raise BacklogFull(f"the task queue is full: about {self._about} tasks.", hint="Try again in a moment.")
        self._about += 1

    async def _count(self) -> None:
        # However many ask, one request counts.
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._ask())
        await asyncio.shield(self._counting)

    async def _ask(self) -> None:
        depth = await self._queue.depth()
        self._about, self._counted_at = depth.visible, self._clock.monotonic()
