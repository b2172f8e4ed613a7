"""How a run ended, as Lambda tells it: the body of a function's error, and the tail of a log."""

import math
from typing import Any

import msgspec

from nanogrid.change import family
from nanogrid.model import MAX_OUTPUT_BYTES, ErrorKind, Function, Run, RunError, RunStatus

_TAIL_BYTES = 4096
_IMPORT_ERRORS = ("ImportError", "ModuleNotFoundError")
_encoder = msgspec.json.Encoder()


def failure_of(run: Run, function: Function) -> bytes | None:
    """What an answer has as its body where the function failed; None where it did not."""
    if run.status is RunStatus.SUCCEEDED:
        return None
    error = run.error or RunError(kind=ErrorKind.PLATFORM, type="Platform", message=run.status.value)
    return _encoder.encode(_body(error, run, function))


def log_tail(run: Run, function: Function, version: str) -> bytes:
    """The last of what the run wrote, between the lines that Lambda puts around it."""
    lines = [f"START RequestId: {run.run_id} Version: {version}\n", run.logs.text]
    if run.logs.text and not run.logs.text.endswith("\n"):
        lines.append("\n")
    if run.error is not None and run.error.kind is ErrorKind.TIMED_OUT:
        lines.append(f"{run.ended_at or run.created_at:%Y-%m-%dT%H:%M:%S.000Z} {_timed_out(run, function)}\n\n")
    lines += [f"END RequestId: {run.run_id}\n", _report(run, function)]
    return "".join(lines).encode("utf-8", "replace")[-_TAIL_BYTES:]


def _report(run: Run, function: Function) -> str:
    usage = run.usage
    parts = [
        f"REPORT RequestId: {run.run_id}",
        f"Duration: {usage.duration_ms:.2f} ms",
        f"Billed Duration: {math.ceil(usage.duration_ms + usage.init_ms)} ms",
        f"Memory Size: {function.memory_mb} MB",
        f"Max Memory Used: {math.ceil(usage.peak_memory_mb)} MB",
    ]
    if usage.cold_start:
        parts.append(f"Init Duration: {usage.init_ms:.2f} ms")
    if run.error is not None and run.error.kind is ErrorKind.TIMED_OUT:
        parts.append("Status: timeout")
    elif run.error is not None and run.error.kind is not ErrorKind.EXCEPTION:
        parts += ["Status: error", f"Error Type: {_type(run.error)}"]
    return "\t".join(parts) + "\t\n"


def _body(error: RunError, run: Run, function: Function) -> dict[str, Any]:
    kind, message = _type(error), _message(error, run, function)
    if error.kind is not ErrorKind.EXCEPTION:
        return {"errorType": kind, "errorMessage": message}
    if family(function.runtime) == "nodejs":
        return {"errorType": kind, "errorMessage": message, "trace": [f"{kind}: {message}", *error.stack_trace]}
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": run.run_id,
        "stackTrace": error.stack_trace,
    }


def _type(error: RunError) -> str:
    if error.kind is ErrorKind.INIT_FAILED:
        if error.type in _IMPORT_ERRORS:
            return "Runtime.ImportModuleError"
        return {"HandlerNotFound": "Runtime.HandlerNotFound", "SyntaxError": "Runtime.UserCodeSyntaxError"}.get(
            error.type, error.type
        )
    return _TYPES.get(error.kind, error.type)


def _message(error: RunError, run: Run, function: Function) -> str:
    before = _BEFORE.get(error.kind, "").format(run_id=run.run_id, module=function.handler.rpartition(".")[0])
    if error.kind is ErrorKind.TIMED_OUT:
        return before + _timed_out(run, function).partition(" ")[2]
    if error.kind is ErrorKind.RESULT_TOO_LARGE:
        return f"Response payload size exceeded maximum allowed payload size ({MAX_OUTPUT_BYTES} bytes)."
    if error.kind is ErrorKind.INIT_FAILED and error.type not in _IMPORT_ERRORS:
        return error.message
    return before + error.message


def _timed_out(run: Run, function: Function) -> str:
    return f"{run.run_id} Task timed out after {function.timeout_ms / 1000:.2f} seconds"


_TYPES = {
    ErrorKind.TIMED_OUT: "Sandbox.Timedout",
    ErrorKind.EXITED: "Runtime.ExitError",
    ErrorKind.OUT_OF_MEMORY: "Runtime.OutOfMemory",
    ErrorKind.RESULT_TOO_LARGE: "Function.ResponseSizeTooLarge",
    ErrorKind.RESULT_NOT_SERIALIZABLE: "Runtime.MarshalError",
}
#: What Lambda puts before a message.
_BEFORE = {
    ErrorKind.TIMED_OUT: "RequestId: {run_id} Error: ",
    ErrorKind.EXITED: "RequestId: {run_id} Error: ",
    ErrorKind.OUT_OF_MEMORY: "RequestId: {run_id} Error: ",
    ErrorKind.INIT_FAILED: "Unable to import module '{module}': ",
    ErrorKind.RESULT_NOT_SERIALIZABLE: "Unable to marshal response: ",
}
