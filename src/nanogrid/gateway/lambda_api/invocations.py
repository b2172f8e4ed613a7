"""Handlers that run functions."""

import base64
from typing import NamedTuple

import msgspec
from msgspec import Raw

from nanogrid.api.message import Answer
from nanogrid.api.reading import check_text
from nanogrid.errors import FunctionNotFound, MalformedRequest
from nanogrid.gateway.lambda_api.call import Call
from nanogrid.gateway.lambda_api.notes import recent_note_of
from nanogrid.gateway.lambda_api.outcomes import failure_of, log_tail
from nanogrid.gateway.lambda_api.references import LATEST, Reference, reference, resolved
from nanogrid.gateway.lambda_api.refusals import Refusal, denied, no_function, throttled, unsupported
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import MAX_INPUT_BYTES, Function, Mode, Run, RunStatus

#: An event of a client that sends none.
_NOTHING = b"{}"
_TYPES = ("Event", "RequestResponse", "DryRun")
_LOGS = ("None", "Tail")


class Invoked(NamedTuple):
    """What is to be run, and how."""

    found: Reference
    function: Function
    event: Raw
    invocation_type: str
    tail: bool

    @property
    def executed_version(self) -> str:
        """As the answer tells it."""
        return LATEST if self.found.latest else str(self.function.version)


async def invoke(call: Call) -> Answer:
    """Run a function, and answer with what it returned; or take the event, and answer at once."""
    asked = await read_invocation(call)
    if asked.invocation_type == "DryRun":
        return call.answer(status=204)
    mode = Mode.ASYNC if asked.invocation_type == "Event" else Mode.SYNC
    run = await run_invocation(call, asked, mode)
    if mode is Mode.ASYNC:
        return Answer(status=202, headers=(("x-amzn-requestid", run.run_id),))
    return _answer(asked, run)


async def invoke_async(call: Call) -> Answer:
    """The old way to have an event taken."""
    asked = await read_invocation(call)
    run = await run_invocation(call, asked, Mode.ASYNC)
    return Answer(status=202, body=b"{}", headers=(("x-amzn-requestid", run.run_id),))


async def read_invocation(call: Call) -> Invoked:
    """What is asked for, all of it checked. Raises `Refusal`."""
    headers = call.request.headers
    kind, logs = headers.get("x-amz-invocation-type", "RequestResponse"), headers.get("x-amz-log-type", "None")
    constraints = Constraints()
    constraints.one_of("invocationType", kind, _TYPES)
    constraints.one_of("logType", logs, _LOGS)
    constraints.check()
    for header, member in _FOREIGN:
        if headers.get(header):
            raise unsupported(member, "nothing here would read it.")
    found = reference(call)
    _check_runnable(call, found)
    content = _event(call.request.body)
    _, function = await resolved(call, found)
    note = await recent_note_of(call, function.function_id)
    if note.reserved == 0:
        raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded", 1)
    return Invoked(found, function, content, kind, logs == "Tail")


async def run_invocation(call: Call, asked: Invoked, mode: Mode) -> Run:
    """The run, ended if it is waited for. Raises `Refusal`."""
    run = await begin_invocation(call, asked, mode)
    if mode is Mode.SYNC and not run.status.ended:
        raise Refusal("ServiceException", 500, f"The run {run.run_id} is not done yet; it goes on.")
    if run.status is RunStatus.DEAD:
        raise Refusal("ServiceException", 500, f"The grid could not run it: {run.error.message if run.error else ''}")
    return run


async def begin_invocation(call: Call, asked: Invoked, mode: Mode, run_id: str | None = None) -> Run:
    """The run, as it is when the longest wait is over at the latest. Raises `Refusal`."""
    function = asked.function
    target = function.function_id if asked.found.latest else f"{function.function_id}:{function.version}"
    try:
        return await call.services.dispatcher.run(target, asked.event, mode=mode, tenant=call.tenant, run_id=run_id)
    except FunctionNotFound as exc:
        raise no_function(call.caller.function_arn(function.name, asked.found.qualifier)) from exc


def _answer(asked: Invoked, run: Run) -> Answer:
    headers = [("x-amzn-requestid", run.run_id), ("x-amz-executed-version", asked.executed_version)]
    failure = failure_of(run, asked.function)
    if failure is not None:
        headers.append(("x-amz-function-error", "Unhandled"))
    if asked.tail:
        tail = log_tail(run, asked.function, asked.executed_version)
        headers.append(("x-amz-log-result", base64.b64encode(tail).decode()))
    return Answer(body=bytes(run.output) if failure is None else failure, headers=tuple(headers))


def _check_runnable(call: Call, found: Reference) -> None:
    only = call.caller.signatory.principal.functions
    if only is not None and found.name not in only:
        raise denied(call.caller.user_arn, "InvokeFunction", call.caller.function_arn(found.name))


def _event(body: bytes) -> Raw:
    if len(body) > MAX_INPUT_BYTES:
        raise Refusal(
            "RequestTooLargeException",
            413,
            f"Request must be smaller than {MAX_INPUT_BYTES} bytes for the InvokeFunction operation",
        )
    try:
        check_text(body)
        msgspec.json.decode(body or _NOTHING, type=Raw)
    except (msgspec.DecodeError, MalformedRequest) as exc:
        message = f"Could not parse request body into json: Could not parse payload into json: {exc}"
        raise Refusal("InvalidRequestContentException", 400, message) from exc
    return Raw(body or _NOTHING)


_FOREIGN = (
    ("x-amz-client-context", "ClientContext"),
    ("x-amz-tenant-id", "TenantId"),
    ("x-amz-durable-execution-name", "DurableExecutionName"),
)
