"""Reads what a runtime answers: checked, bounded, and bound to the question."""

from msgspec import Raw

from nanogrid import wire
from nanogrid.errors import SandboxBroken
from nanogrid.model import MAX_MEMORY_MB, MAX_OUTPUT_BYTES, NULL, Record, RunError
from nanogrid.sandbox import failures


class Answer(Record, frozen=True, kw_only=True):
    """How a run ended, as far as the sandbox knows."""

    output: Raw = NULL
    streamed: bool = False
    error: RunError | None = None
    peak_memory_mb: float = 0.0
    #: Whether the process is as good as before the run.
    sound: bool = False


def read_report(payload: bytes | memoryview) -> RunError | None:
    """How the import went, from the payload of LOADED."""
    try:
        error = wire.decode_loaded(payload).error
        return None if error is None else failures.load_error(error)
    except SandboxBroken as exc:
        return failures.while_loading(failures.protocol_error(str(exc)), "")


def read_result(payload: bytes | memoryview, nonce: str) -> Answer:
    """How the run went that was ordered with this nonce, from the payload of RESULT."""
    try:
        result = wire.decode_result(payload)
        error = None if result.error is None else failures.run_error(result.error)
    except SandboxBroken as exc:
        return Answer(error=failures.protocol_error(str(exc)))
    except RecursionError:
        return Answer(error=failures.result_too_deep())
    if result.nonce != nonce:
        return Answer(error=failures.protocol_error("it answered with a nonce that is not this run's"))
    if error is None and len(result.output) > MAX_OUTPUT_BYTES:
        error = failures.result_too_large(len(result.output))
    return Answer(
        output=result.output if error is None else NULL,
        streamed=result.streamed and error is None,
        error=error,
        # Clamped first: the number may have thousands of digits.
        peak_memory_mb=min(max(result.peak_memory_kb, 0), MAX_MEMORY_MB * 1024) / 1024,
        sound=not result.dirty and (error is None or error.kind in failures.HARMLESS),
    )
