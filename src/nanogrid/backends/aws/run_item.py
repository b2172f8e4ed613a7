"""A run as an item of DynamoDB: what never changes as one record, what does as attributes of their own.

An item stays below 200 KB of the 400 KB that it may have: a larger input or outcome goes through the bucket.
"""

import asyncio
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, structs

from nanogrid.backends.aws.dynamo import Attribute, Item, content, number, text
from nanogrid.backends.aws.payloads import Payloads
from nanogrid.backends.aws.tables import SHARDS
from nanogrid.model import NULL, Artifact, Logs, Outcome, Run, RunError, RunStatus, Usage

_INLINE_INPUT = 64 * 1024
_INLINE_OUTCOME = 128 * 1024
#: All attributes but the input: what a listing reads.
WITHOUT_INPUT = ("pk", "record", "status", "attempt", "retried", "startedAt", "endedAt", "outcome", "outcomeReference")


class _Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an attempt came to."""

    output: Raw = NULL
    streamed: bool = False
    output_truncated: bool = False
    error: RunError | None = None
    logs: Logs = Logs()
    artifacts: list[Artifact] = []
    usage: Usage = Usage()


_run_decoder = msgspec.json.Decoder(Run)
_ended_decoder = msgspec.json.Decoder(_Ended)


def key(run_id: str) -> Item:
    """The key of a run's item."""
    return {"pk": text(run_id)}


def shard(run_id: str) -> int:
    """In which partition of each listing the run is."""
    return ord(run_id[-1]) % SHARDS


def status_values(run_id: str, status: RunStatus) -> Item:
    """The run's status, and where it is listed by it."""
    return {
        "status": text(status.value),
        "statusPlace": text(f"{status.value}#{run_id}"),
    }


def listing_of_all(tenant: str, part: int) -> str:
    """The partition that lists a tenant's runs."""
    return f"runs#{tenant}#{part}"


def listing_of_function(tenant: str, function_id: str, part: int) -> str:
    """The partition that lists a function's runs."""
    return f"{function_id}#{tenant}#{part}"


async def accepted(run: Run, payloads: Payloads) -> Item:
    """The item of a run that has just been accepted."""
    part = shard(run.run_id)
    given = NULL if run.input is UNSET else run.input
    item = {
        "record": content(msgspec.json.encode(structs.replace(run, input=UNSET))),
        "attempt": number(run.attempt),
        "retried": number(run.retried),
        "place": text(run.run_id),
        "listAll": text(listing_of_all(run.tenant, part)),
        "listFunction": text(listing_of_function(run.tenant, run.function_id, part)),
    }
    stored = await _stored("input", bytes(given), _INLINE_INPUT, payloads)
    return key(run.run_id) | item | stored | status_values(run.run_id, run.status)


async def concluded(outcome: Outcome, payloads: Payloads) -> Item:
    """The attributes that hold an outcome."""
    ended = _Ended(
        output=outcome.output,
        streamed=outcome.streamed,
        output_truncated=outcome.output_truncated,
        error=outcome.error,
        logs=outcome.logs,
        artifacts=outcome.artifacts,
        usage=outcome.usage,
    )
    return await _stored("outcome", msgspec.json.encode(ended), _INLINE_OUTCOME, payloads)


async def to_run(item: Item, payloads: Payloads, *, with_input: bool = True) -> Run:
    """The run that an item stands for."""
    run = _run_decoder.decode(item["record"].content)
    ended, given = await asyncio.gather(
        _loaded("outcome", item, payloads), _loaded("input", item, payloads) if with_input else _nothing()
    )
    outcome = _ended_decoder.decode(ended) if ended else _Ended()
    return structs.replace(
        run,
        status=RunStatus(item["status"].text),
        attempt=item["attempt"].number,
        retried=item["retried"].number,
        started_at=_time(item.get("startedAt")),
        ended_at=_time(item.get("endedAt")),
        output=outcome.output,
        streamed=outcome.streamed,
        output_truncated=outcome.output_truncated,
        error=outcome.error,
        logs=outcome.logs,
        artifacts=outcome.artifacts,
        usage=outcome.usage,
        input=Raw(given) if with_input else UNSET,
    )


async def _stored(name: str, value: bytes, inline: int, payloads: Payloads) -> Item:
    if len(value) <= inline:
        return {name: content(value)}
    return {f"{name}Reference": text(await payloads.put(value))}


async def _loaded(name: str, item: Item, payloads: Payloads) -> bytes:
    reference = item.get(f"{name}Reference")
    if reference is not None:
        return await payloads.get(reference.text)
    return item[name].content if name in item else b""


async def _nothing() -> bytes:
    return b""


def _time(attribute: Attribute | None) -> datetime | None:
    return None if attribute is None else datetime.fromisoformat(attribute.text)
