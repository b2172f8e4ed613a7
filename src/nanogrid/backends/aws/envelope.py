"""What a message on the queue says: a task, or where the task is to be found."""

import base64
from datetime import datetime

import msgspec

from nanogrid.backends.aws.payloads import Payloads
from nanogrid.model import Record, Task

#: What travels inline, in bytes; what is larger goes through the bucket.
INLINE_BYTES = 200 * 1024
#: Characters that JSON allows and SQS refuses.
_REFUSED = ("\ufffe", "\uffff")


class Envelope(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The message itself. Exactly one of `task` and `reference` is there."""

    task: Task | None = None
    #: Of the payload that has the task.
    reference: str | None = None
    #: Attempts before this message was sent; a redriven task goes on counting.
    attempts: int = 0
    #: Not to be run before then; SQS itself delays a quarter of an hour at most.
    due: datetime | None = None


class Opened(Record, frozen=True, kw_only=True):
    """An envelope with its task at hand."""

    task: Task
    attempts: int = 0
    due: datetime | None = None


class Envelopes:
    """Seals tasks into message bodies, and opens them."""

    def __init__(self, payloads: Payloads) -> None:
        """`payloads` has what does not travel inline."""
        self._payloads = payloads

    async def seal(self, task: Task, *, attempts: int = 0, due: datetime | None = None) -> str:
        """The body for a task."""
        body = msgspec.json.encode(Envelope(task=task, attempts=attempts, due=due))
        if len(body) > INLINE_BYTES:
            reference = await self._payloads.put(msgspec.json.encode(task))
            body = msgspec.json.encode(Envelope(reference=reference, attempts=attempts, due=due))
        text = body.decode()
        if any(character in text for character in _REFUSED):
            # A brace never begins base64, so that opening can tell the two apart.
            return base64.b64encode(body).decode()
        return text

    async def open(self, body: str) -> Opened:
        """What a body says. Raises `ValueError` where it is none of ours, `StoreUnavailable`."""
        content = body.encode() if body.startswith("{") else base64.b64decode(body, validate=True)
        envelope = msgspec.json.decode(content, type=Envelope)
        task = envelope.task
        if task is None:
            if envelope.reference is None:
                raise ValueError("a message without a task")
            task = msgspec.json.decode(await self._payloads.get(envelope.reference), type=Task)
        return Opened(task=task, attempts=envelope.attempts, due=envelope.due)
