"""One queue of SQS: sends, receives, deletes and visibility, all in batches."""

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from nanogrid.backends.aws.batcher import Batcher
from nanogrid.backends.aws.client import JsonService
from nanogrid.errors import LeaseLost, StoreUnavailable
from nanogrid.model import Depth

#: SQS' own limits, in seconds.
LONGEST_WAIT_S = 20
LONGEST_DELAY_S = 900
LONGEST_VISIBILITY_S = 43_200
_STALE = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})
#: How often an entry is tried again that the service, not we, failed at.
_TRIES = 4


class Message(Struct, frozen=True, rename="pascal"):
    """A message as it was received."""

    body: str
    receipt_handle: str
    attributes: dict[str, str] = {}

    @property
    def receives(self) -> int:
        """How often it has been handed out, this time included."""
        return int(self.attributes.get("ApproximateReceiveCount", "1"))


class Sent(Struct, omit_defaults=True, rename="pascal"):
    """An entry of a SendMessageBatch."""

    message_body: str
    message_group_id: str
    delay_seconds: int = 0
    id: str = ""


class Deleted(Struct, omit_defaults=True, rename="pascal"):
    """An entry of a DeleteMessageBatch."""

    receipt_handle: str
    id: str = ""


class Changed(Struct, omit_defaults=True, rename="pascal"):
    """An entry of a ChangeMessageVisibilityBatch."""

    receipt_handle: str
    visibility_timeout: int
    id: str = ""


class _Entry(Protocol):
    id: str


class _Failed(Struct, rename="pascal"):
    id: str
    code: str = ""
    message: str = ""
    sender_fault: bool = False


class _Answer(Struct, rename="pascal"):
    failed: list[_Failed] = []


class _Received(Struct, rename="pascal"):
    messages: list[Message] = []


class _Counts(Struct):
    Attributes: dict[str, str] = {}


class Queue:
    """All methods raise `StoreUnavailable`; those that name a receipt raise `LeaseLost` where it does not hold."""

    def __init__(self, service: JsonService, url: str) -> None:
        """The service is SQS."""
        self._service = service
        self._url = url
        self._sends = Batcher[Sent](self._send_batch, _size_of)
        self._deletes = Batcher[Deleted](self._delete_batch, _handle_size)
        self._changes = Batcher[Changed](self._change_batch, _handle_size)

    async def send(self, body: str, *, group: str, delay_s: float = 0.0) -> None:
        """Put a message on the queue. `group` tells SQS whose turn it is, so that groups share the queue fairly."""
        delay = min(math.ceil(max(0.0, delay_s)), LONGEST_DELAY_S)
        await self._sends.submit(Sent(message_body=body, message_group_id=group, delay_seconds=delay))

    async def receive(self, *, limit: int, wait_s: float, visibility_s: int) -> list[Message]:
        """Up to ten messages, waiting up to 20 s for the first; invisible to others for so long."""
        wait = min(LONGEST_WAIT_S, math.ceil(max(0.0, wait_s)))
        request = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": limit,
            "VisibilityTimeout": visibility_s,
            "WaitTimeSeconds": wait,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
        }
        body = await self._service.call("ReceiveMessage", msgspec.json.encode(request), timeout_s=wait + 10.0)
        return msgspec.json.decode(body, type=_Received).messages

    async def delete(self, handle: str) -> None:
        """The message is done."""
        await self._deletes.submit(Deleted(receipt_handle=handle))

    async def hide(self, handle: str, seconds: float) -> None:
        """Keep the message invisible for so long from now; 0 shows it at once."""
        visibility = min(math.ceil(max(0.0, seconds)), LONGEST_VISIBILITY_S)
        await self._changes.submit(Changed(receipt_handle=handle, visibility_timeout=visibility))

    async def depth(self) -> Depth:
        """How many messages wait, delayed ones included, and how many are in flight; about, says AWS."""
        names = ("", "Delayed", "NotVisible")
        wanted = [f"ApproximateNumberOfMessages{name}" for name in names]
        request = msgspec.json.encode({"QueueUrl": self._url, "AttributeNames": wanted})
        body = await self._service.call("GetQueueAttributes", request)
        counts = msgspec.json.decode(body, type=_Counts).Attributes
        visible, delayed, in_flight = (int(counts.get(name, "0")) for name in wanted)
        return Depth(visible=visible + delayed, in_flight=in_flight)

    async def flush(self) -> None:
        """Return when everything that was asked for is answered."""
        for batcher in (self._sends, self._deletes, self._changes):
            await batcher.flush()

    async def _send_batch(self, entries: list[Sent]) -> list[Exception | None]:
        return await self._call_batch("SendMessageBatch", entries)

    async def _delete_batch(self, entries: list[Deleted]) -> list[Exception | None]:
        return await self._call_batch("DeleteMessageBatch", entries)

    async def _change_batch(self, entries: list[Changed]) -> list[Exception | None]:
        return await self._call_batch("ChangeMessageVisibilityBatch", entries)

    async def _call_batch(self, operation: str, entries: Sequence[_Entry]) -> list[Exception | None]:
        """One call, and for each entry that the service failed at another one; the rest is not sent again."""
        for number, entry in enumerate(entries):
            entry.id = str(number)
        failures: dict[str, Exception] = {}
        left = list(entries)
        for _ in range(_TRIES):
            body = msgspec.json.encode({"QueueUrl": self._url, "Entries": left})
            answer = msgspec.json.decode(await self._service.call(operation, body), type=_Answer)
            for entry in left:
                failures.pop(entry.id, None)
            failures |= {failed.id: _failure(operation, failed) for failed in answer.failed}
            passing = {failed.id for failed in answer.failed if not failed.sender_fault}
            left = [entry for entry in left if entry.id in passing]
            if not left:
                break
        return [failures.get(entry.id) for entry in entries]


def _failure(operation: str, failed: _Failed) -> Exception:
    if failed.code in _STALE and operation != "SendMessageBatch":
        return LeaseLost("the lease is no longer held.", hint="It ran out, or the task is done.")
    return StoreUnavailable(f"sqs {operation} failed for a message: {failed.code}: {failed.message}")


def _size_of(entry: Sent) -> int:
    return len(entry.message_body.encode()) + len(entry.message_group_id)


def _handle_size(_: object) -> int:
    return 0
