"""Turns messages into tasks: opens them, and knows how each has fared."""

import asyncio
import math
from typing import NamedTuple

from nanogrid.backends.aws.envelope import Envelopes, Opened
from nanogrid.backends.aws.fares import Fares
from nanogrid.backends.aws.sqs import Message, Queue
from nanogrid.backends.lanes import QueuedTask
from nanogrid.clock import Clock


class Fetched(NamedTuple):
    """A task that is ours for a while, and the handle of its message."""

    entry: QueuedTask
    handle: str


class Intake:
    """Fetches from the task queue. What is no task goes to the dead-letter queue at once, and holds up nothing."""

    def __init__(self, queue: Queue, dead_queue: Queue, envelopes: Envelopes, fares: Fares, clock: Clock) -> None:
        """Collaborators of the task queue."""
        self._queue = queue
        self._dead_queue = dead_queue
        self._envelopes = envelopes
        self._fares = fares
        self._clock = clock

    async def fetch(self, *, limit: int, wait_s: float, lease_s: float) -> list[Fetched]:
        """Up to ten tasks, waiting up to 20 s for the first. `expires` of each counts from when it arrived."""
        messages = await self._queue.receive(limit=limit, wait_s=wait_s, visibility_s=math.ceil(lease_s))
        expires = self._clock.monotonic() + lease_s
        opened = await asyncio.gather(*(self._open(message) for message in messages))
        ready = [(message, one) for message, one in zip(messages, opened, strict=True) if one is not None]
        earlier = {one.task.run_id: _earlier(message, one) for message, one in ready if message.receives > 1}
        forgiven = await self._fares.forgiven(earlier)
        return [_fetched(message, one, forgiven.get(one.task.run_id, 0), expires) for message, one in ready]

    async def _open(self, message: Message) -> Opened | None:
        """What the message says; None where it is not for now, and has been taken care of."""
        try:
            opened = await self._envelopes.open(message.body)
        except ValueError:
            await self._dead_queue.send(message.body, group="unreadable")
            await self._queue.delete(message.receipt_handle)
            return None
        rest = 0.0 if opened.due is None else (opened.due - self._clock.now()).total_seconds()
        if rest > 0:
            await self._fares.note_return(opened.task.run_id, opened.attempts + message.receives)
            await self._queue.hide(message.receipt_handle, rest)
            return None
        return opened


def _earlier(message: Message, opened: Opened) -> range:
    """The attempts that this message was handed out for before."""
    return range(opened.attempts + 1, opened.attempts + message.receives)


def _fetched(message: Message, opened: Opened, forgiven: int, expires: float) -> Fetched:
    entry = QueuedTask(
        opened.task,
        durable=True,
        attempt=opened.attempts + message.receives,
        # Every receive before this one ended by a failure, unless it is known to have ended otherwise.
        failures=max(0, message.receives - 1 - forgiven),
    )
    entry.expires = expires
    return Fetched(entry, message.receipt_handle)
