"""The handler that answers with events while a function yields, and with what it returned where it does not."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from nanogrid.api.call_stream import piece_of
from nanogrid.api.message import Answer, Stream
from nanogrid.api.streamed_run import StreamedRun, left_on_failure, part_streams_of, parts_of
from nanogrid.gateway.lambda_api.call import Call
from nanogrid.gateway.lambda_api.event_stream import EVENT_STREAM, event
from nanogrid.gateway.lambda_api.invocations import Invoked, begin_invocation, read_invocation, run_invocation
from nanogrid.gateway.lambda_api.outcomes import failure_of, log_tail
from nanogrid.gateway.lambda_api.refusals import invalid
from nanogrid.model import Mode, Run
from nanogrid.ports import Part

_CHUNK_BYTES = 256 * 1024


async def invoke_with_response_stream(call: Call) -> Answer | Stream:
    """Run a function, and answer with events: what it yields or returns, then how it ended."""
    asked = await read_invocation(call)
    if asked.invocation_type == "DryRun":
        return call.answer(status=204)
    if asked.invocation_type == "Event":
        raise invalid("An event is not waited for, so that nothing can be streamed: use Invoke.")
    part_streams = part_streams_of(call.services)
    if part_streams is None:
        return _whole(asked, await run_invocation(call, asked, Mode.SYNC))
    run = StreamedRun(
        call.services,
        part_streams,
        lambda run_id: begin_invocation(call, asked, Mode.SYNC, run_id),
        tenant=call.tenant,
    )
    async with left_on_failure(run):
        first = await run.stream.next()
        if first is None:
            return _whole(asked, await run.ended())
    return Stream(pieces=_events(run, first, asked), media_type=EVENT_STREAM, headers=_headers(asked, run.run_id))


async def _events(run: StreamedRun, first: Part, asked: Invoked) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts_of(run, first)) as parts:
        async for part in parts:
            yield _chunk(piece_of(part))
        yield _complete(asked, await run.ended())


def _whole(asked: Invoked, run: Run) -> Answer:
    """The same of a function that returned."""
    output = b"" if failure_of(run, asked.function) is not None else bytes(run.output)
    chunks = [_chunk(output[at : at + _CHUNK_BYTES]) for at in range(0, len(output), _CHUNK_BYTES)]
    body = b"".join([*chunks, _complete(asked, run)])
    return Answer(body=body, media_type=EVENT_STREAM, headers=_headers(asked, run.run_id))


def _chunk(content: bytes) -> bytes:
    return event("PayloadChunk", "application/octet-stream", content)


def _complete(asked: Invoked, run: Run) -> bytes:
    failure = failure_of(run, asked.function)
    told = {} if failure is None else {"ErrorCode": "Unhandled", "ErrorDetails": failure.decode()}
    if asked.tail:
        tail = log_tail(run, asked.function, asked.executed_version)
        told["LogResult"] = base64.b64encode(tail).decode()
    return event("InvokeComplete", "application/json", msgspec.json.encode(told))


def _headers(asked: Invoked, run_id: str) -> tuple[tuple[str, str], ...]:
    return (("x-amzn-requestid", run_id), ("x-amz-executed-version", asked.executed_version))
