"""What a run does, or why it ended as it did."""

import shlex
from collections.abc import Callable
from datetime import timedelta

from msgspec import UNSET

from nanogrid.api.advice import FAILURES
from nanogrid.api.explain.facts import Facts
from nanogrid.api.explain.records import Account, Limit, Reason, Step
from nanogrid.model import (
    MAX_AGE_MS,
    MAX_MEMORY_MB,
    MAX_OUTPUT_BYTES,
    MAX_PLATFORM_FAILURES,
    MAX_TIMEOUT_MS,
    ErrorKind,
    Function,
    Mode,
    Network,
    Run,
    RunError,
    RunStatus,
)
from nanogrid.sizing import raised_memory_mb

#: The share of a limit from which on a run that succeeded has come near to it.
_NEARLY = 0.9
#: The longest input that is put into a command, in bytes.
_MOST_TYPED = 200

#: How the runtime's own words are brought in, for the kinds to whose cause they add something.
_SAYS = {
    ErrorKind.EXCEPTION: "It was",
    ErrorKind.EXITED: "The runtime says",
    ErrorKind.INIT_FAILED: "The import says",
    ErrorKind.RESULT_NOT_SERIALIZABLE: "The runtime says",
    ErrorKind.EXPIRED: "It came to this",
    ErrorKind.PLATFORM: "The last reason",
}
#: Where the steps say all that the advice for any such run does.
_PARTICULAR_ENOUGH = frozenset(
    {ErrorKind.EXCEPTION, ErrorKind.TIMED_OUT, ErrorKind.OUT_OF_MEMORY, ErrorKind.CANCELLED, ErrorKind.PLATFORM}
)

_Limits = tuple[Limit | None, list[Step]]


def running(facts: Facts) -> Account:
    """What it does."""
    run, function = facts.run, facts.function
    elapsed_ms = (facts.now - (run.started_at or run.created_at)) / timedelta(milliseconds=1)
    limit = _time_limit(function, max(0.0, elapsed_ms)) if function else None
    why = f"The handler is at work, in attempt {run.attempt}."
    if function:
        why += f" It is ended after {_duration(function.timeout_ms)} at the latest."
    return Account(
        reason=Reason.RUNNING,
        title="What it does",
        why=why,
        limit=limit,
        next=[
            Step(text="Follow what it writes.", command=f"nanogrid logs --follow {run.function_name}"),
            Step(text="Cancel it, if nobody needs it any more.", command=f"nanogrid cancel {run.run_id}"),
        ],
    )


def succeeded(facts: Facts) -> Account:
    """How it went, and what it came near to."""
    run, function = facts.run, facts.function
    why = (
        "The function returned a result. This run waited for a sandbox to load the code; the next one finds it warm."
        if run.usage.cold_start
        else "The function returned a result, in a sandbox that was warm."
    )
    return Account(reason=Reason.SUCCEEDED, title="How it went", why=why, next=_nearly(run, function))


def failed(facts: Facts) -> Account:
    """Why it has no result."""
    run = facts.run
    error = run.error or RunError(kind=ErrorKind.PLATFORM, type=run.status, message=f"The run is {run.status}.")
    limit, steps = _PARTICULARS[error.kind](run, facts.function, error)
    said = _SAYS.get(error.kind)
    why = FAILURES[error.kind].cause + (f" {said}: {error.type}: {error.message}" if said else "")
    advice = [] if error.kind in _PARTICULAR_ENOUGH else [Step(text=FAILURES[error.kind].remedy)]
    cancelled = run.status is RunStatus.CANCELLED
    return Account(
        reason=error.kind,
        title="Why it was cancelled" if cancelled else "Why it failed",
        why=why,
        limit=limit,
        next=[*advice, *steps],
    )


def _exception(run: Run, _: Function | None, error: RunError) -> _Limits:
    where = [Step(text=f"The line that raised: {error.stack_trace[-1].strip()}")] if error.stack_trace else []
    return None, [*where, *_mend(run)]


def _timed_out(run: Run, function: Function | None, _: RunError) -> _Limits:
    if function is None:
        return None, _mend(run)
    steps = [Step(text="See how far it came.", command=f"nanogrid logs {run.run_id}")]
    if function.network is Network.NONE:
        steps.append(
            Step(
                text="If it waits for an address: it has no network, so that no connection ever comes.",
                command=f"nanogrid configure {function.name} --network outbound",
            )
        )
    if (longer := min(2 * function.timeout_ms, MAX_TIMEOUT_MS)) > function.timeout_ms:
        command = f"nanogrid configure {function.name} --timeout {_typed(longer)}"
        steps.append(Step(text=f"Give it {_duration(longer)}.", command=command))
    return _time_limit(function, run.usage.duration_ms), steps


def _out_of_memory(run: Run, function: Function | None, _: RunError) -> _Limits:
    if function is None:
        return None, _mend(run)
    had_mb = run.usage.raised_memory_mb or function.memory_mb
    limit = Limit(name="memoryMb", value=had_mb, unit="MB", used=round(run.usage.peak_memory_mb) or None)
    less = Step(text="Or hold less at once: read in pieces, and drop what is done with.")
    return limit, [*_more_memory(function, had_mb), less, *_again(run)]


def _more_memory(function: Function, had_mb: int) -> list[Step]:
    more_mb = raised_memory_mb(had_mb, MAX_MEMORY_MB)
    if more_mb == had_mb:
        return []
    if function.auto_memory_mb > had_mb:
        next_mb = raised_memory_mb(had_mb, function.auto_memory_mb)
        return [Step(text=f"Its memory is raised by itself: the next run has {next_mb} MB.")]
    if function.auto_memory_mb:
        command = f"nanogrid configure {function.name} --auto-memory {more_mb}"
        text = f"Its memory is raised no further than {function.auto_memory_mb} MB: allow more."
        return [Step(text=text, command=command)]
    return [
        Step(text=f"Give it {more_mb} MB.", command=f"nanogrid configure {function.name} --memory {more_mb}"),
        Step(
            text="Or let the grid raise it by itself, as far as you allow.",
            command=f"nanogrid configure {function.name} --auto-memory {raised_memory_mb(more_mb, MAX_MEMORY_MB)}",
        ),
    ]


def _exited(run: Run, _: Function | None, __: RunError) -> _Limits:
    return None, [Step(text="See what it wrote last.", command=f"nanogrid logs {run.run_id}")]


def _init_failed(run: Run, function: Function | None, _: RunError) -> _Limits:
    handler = [Step(text=f"Its handler is `{function.handler}`.")] if function else []
    return None, [*handler, *_mend(run)]


def _result_too_large(run: Run, _: Function | None, __: RunError) -> _Limits:
    return Limit(name="output", value=MAX_OUTPUT_BYTES, unit="bytes"), _mend(run)


def _result_not_serializable(run: Run, _: Function | None, __: RunError) -> _Limits:
    return None, _mend(run)


def _function_deleted(run: Run, _: Function | None, __: RunError) -> _Limits:
    return None, [Step(text="Deploy it again.", command=f"nanogrid deploy PATH --name {run.function_name}")]


def _expired(run: Run, function: Function | None, _: RunError) -> _Limits:
    if function is None or not function.max_age_ms:
        return None, _again(run)
    limit = Limit(name="maxAgeMs", value=function.max_age_ms, unit="ms")
    longer = min(2 * function.max_age_ms, MAX_AGE_MS)
    command = f"nanogrid configure {function.name} --max-age-ms {longer}"
    return limit, [Step(text="Let its runs wait longer.", command=command), *_again(run)]


def _cancelled(run: Run, _: Function | None, __: RunError) -> _Limits:
    return None, _again(run)


def _platform(run: Run, _: Function | None, __: RunError) -> _Limits:
    limit = Limit(name="platform failures", value=MAX_PLATFORM_FAILURES, unit="tries")
    return limit, [
        Step(text="See it among the dead letters.", command="nanogrid dead-letters"),
        Step(text="When its cause is gone, give it another try.", command=f"nanogrid redrive {run.run_id}"),
    ]


#: What is particular to each kind of failure: the limit that was hit, and what to type.
_PARTICULARS: dict[ErrorKind, Callable[[Run, Function | None, RunError], _Limits]] = {
    ErrorKind.EXCEPTION: _exception,
    ErrorKind.TIMED_OUT: _timed_out,
    ErrorKind.OUT_OF_MEMORY: _out_of_memory,
    ErrorKind.EXITED: _exited,
    ErrorKind.INIT_FAILED: _init_failed,
    ErrorKind.RESULT_TOO_LARGE: _result_too_large,
    ErrorKind.RESULT_NOT_SERIALIZABLE: _result_not_serializable,
    ErrorKind.FUNCTION_DELETED: _function_deleted,
    ErrorKind.EXPIRED: _expired,
    ErrorKind.CANCELLED: _cancelled,
    ErrorKind.PLATFORM: _platform,
}


def _nearly(run: Run, function: Function | None) -> list[Step]:
    steps = []
    if function and run.usage.peak_memory_mb > function.memory_mb * _NEARLY:
        used = f"It used {run.usage.peak_memory_mb:.0f} of {function.memory_mb} MB: a larger input may need more."
        command = f"nanogrid configure {function.name} --memory {min(2 * function.memory_mb, MAX_MEMORY_MB)}"
        steps.append(Step(text=used, command=command))
    if function and run.usage.duration_ms > function.timeout_ms * _NEARLY:
        used = f"It took {_duration(run.usage.duration_ms)} of {_duration(function.timeout_ms)}."
        command = f"nanogrid configure {function.name} --timeout {_typed(min(2 * function.timeout_ms, MAX_TIMEOUT_MS))}"
        steps.append(Step(text=f"{used} A slower moment may need more.", command=command))
    if run.logs.truncated:
        steps.append(Step(text="It wrote more than 256 KiB of logs: the middle of them is gone."))
    return steps


def _mend(run: Run) -> list[Step]:
    return [
        Step(text="Mend the code, and deploy it.", command=f"nanogrid deploy PATH --name {run.function_name}"),
        *_again(run),
    ]


def _again(run: Run) -> list[Step]:
    """How to send the same input again; a long one is not typed."""
    given = b"" if run.input is UNSET else bytes(run.input)
    if not 0 < len(given) <= _MOST_TYPED or not given.decode(errors="replace").isprintable():
        return []
    # What the command line sends where nothing is typed.
    input_ = "" if given == b"{}" else f" --input {shlex.quote(given.decode())}"
    mode = " --async" if run.mode is Mode.ASYNC else ""
    return [Step(text="Run it again with the same input.", command=f"nanogrid run {run.function_name}{mode}{input_}")]


def _time_limit(function: Function, used_ms: float) -> Limit:
    return Limit(name="timeoutMs", value=function.timeout_ms, unit="ms", used=round(used_ms))


def _duration(ms: float) -> str:
    """As a person reads it."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s".replace(".0 ", " ")  # noqa: PLR2004 - a second


def _typed(ms: int) -> str:
    """As the command line takes it."""
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"
