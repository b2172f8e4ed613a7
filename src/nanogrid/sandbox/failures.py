"""Every way in which a function fails, as the value that its caller reads: what happened, and what to do."""

from nanogrid.errors import SandboxBroken
from nanogrid.model import MAX_OUTPUT_BYTES, MAX_STREAM_BYTES, ErrorKind, RunError
from nanogrid.sandbox.cell import Ending
from nanogrid.wire import HEADER, RESULT, WireError

PROTOCOL_ERROR = "Runtime.ProtocolError"

_MAX_MESSAGE = 8 * 1024
_MAX_TYPE = 256
_MAX_TRACE = 50
_MAX_LINE = 1024
#: What a runtime may say of a handler; all else is for the platform to find out.
_AFTER_RUN = frozenset(
    {
        ErrorKind.EXCEPTION,
        ErrorKind.OUT_OF_MEMORY,
        ErrorKind.EXITED,
        ErrorKind.RESULT_TOO_LARGE,
        ErrorKind.RESULT_NOT_SERIALIZABLE,
    }
)
_AFTER_LOAD = frozenset({ErrorKind.INIT_FAILED, ErrorKind.OUT_OF_MEMORY})
#: Failures after which the process is as good as before.
HARMLESS = frozenset({ErrorKind.EXCEPTION, ErrorKind.RESULT_NOT_SERIALIZABLE})


def run_error(error: WireError) -> RunError:
    """What the runtime says of a run, cut to a sane size. Raises `SandboxBroken` for what it may not say."""
    return _reported(error, _AFTER_RUN)


def load_error(error: WireError) -> RunError:
    """What the runtime says of an import, cut to a sane size. Raises `SandboxBroken` for what it may not say."""
    return _reported(error, _AFTER_LOAD)


def timed_out(timeout_ms: int) -> RunError:
    """The handler was still busy at its time-out."""
    return _error(
        ErrorKind.TIMED_OUT,
        f"The function was ended after {timeout_ms} ms, its time-out. Raise timeoutMs if it needs longer.",
    )


def import_timed_out(limit_s: float) -> RunError:
    """The code was still being imported at the limit."""
    return _error(
        ErrorKind.INIT_FAILED,
        f"It took longer than {limit_s:g} s and was ended. Do less at import: move the work into the handler.",
    )


def out_of_memory(memory_mb: int) -> RunError:
    """The kernel ended the function, or something that it had started."""
    return _error(
        ErrorKind.OUT_OF_MEMORY,
        f"The function used more than its {memory_mb} MB of memory. Raise memoryMb, or hold less at once.",
    )


def exited(ending: Ending, memory_mb: int) -> RunError:
    """The process ended before it had answered."""
    if ending.out_of_memory:
        return out_of_memory(memory_mb)
    how = f"was killed by {ending.signal}" if ending.signal else f"exited with code {ending.exit_code}"
    return _error(ErrorKind.EXITED, f"The function's process {how} before it had answered. See what it wrote.")


def hung_up() -> RunError:
    """The process lives, but nobody can talk to it any more."""
    return _error(
        ErrorKind.EXITED,
        "The function closed its connection to the platform and was ended. Close only descriptors that you opened.",
    )


def result_too_large(size: int) -> RunError:
    """More output than may be returned; `size` is in bytes."""
    return _error(
        ErrorKind.RESULT_TOO_LARGE,
        f"The result has {size} bytes; {MAX_OUTPUT_BYTES} are allowed. Store it elsewhere and return where it is.",
    )


def streamed_too_much() -> RunError:
    """More parts than one run may send."""
    return _error(
        ErrorKind.RESULT_TOO_LARGE,
        f"The function has streamed more than {MAX_STREAM_BYTES} bytes. Leave files in /tmp/output instead.",
    )


def result_too_deep() -> RunError:
    """An output that nests deeper than the platform reads."""
    return _error(
        ErrorKind.RESULT_NOT_SERIALIZABLE,
        "The result nests lists and objects too deep. Return a flatter one: a few hundred levels can be read.",
    )


def refused_frame(header: bytes | memoryview) -> RunError:
    """A frame with an impossible header: too much of a result, or no frame at all."""
    length, kind = HEADER.unpack(header)
    if kind == RESULT and length > 0:
        return result_too_large(length)
    return protocol_error(f"it announced a frame of kind {kind} with {length} bytes")


def protocol_error(reason: str) -> RunError:
    """Something in the function spoke on the control socket and was not the runtime."""
    message = f"The function wrote to the platform's own connection and was ended: {reason}."
    return _error(ErrorKind.EXITED, message, PROTOCOL_ERROR)


def while_loading(error: RunError, output: str) -> RunError:
    """The same failure, met during the import; `output` is what the code wrote, for an import has no logs."""
    kind = error.kind if error.kind is ErrorKind.OUT_OF_MEMORY else ErrorKind.INIT_FAILED
    message = f"While the code was imported: {error.message}"
    if output:
        message = f"{message} It wrote: {output[-_MAX_LINE:]}"
    return RunError(kind=kind, type=error.type, message=message)


def _error(kind: ErrorKind, message: str, name: str | None = None) -> RunError:
    return RunError(kind=kind, type=name or kind.value, message=message)


def _reported(error: WireError, allowed: frozenset[ErrorKind]) -> RunError:
    if error.kind not in allowed:
        raise SandboxBroken(f"it reported an error of the kind {error.kind[:_MAX_TYPE]!r}")
    return RunError(
        kind=ErrorKind(error.kind),
        type=error.type[:_MAX_TYPE],
        message=_cut(error.message),
        stack_trace=_cut_trace(error.stack_trace),
    )


def _cut(message: str) -> str:
    if len(message) <= _MAX_MESSAGE:
        return message
    return f"{message[:_MAX_MESSAGE]} [{len(message) - _MAX_MESSAGE} more characters]"


def _cut_trace(lines: list[str]) -> list[str]:
    """The outermost and the innermost lines: what called, and where it broke."""
    if len(lines) > _MAX_TRACE:
        half = _MAX_TRACE // 2
        lines = [*lines[:half], f"[{len(lines) - _MAX_TRACE + 1} more lines]", *lines[1 - half :]]
    return [line[:_MAX_LINE] for line in lines]
