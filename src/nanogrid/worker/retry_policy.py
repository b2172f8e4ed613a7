"""When an asynchronous run that failed is tried again, and when it has become too old for it.

Functions that fail together shall not come back together, so each pause is drawn from all of its length (full jitter).
"""

from datetime import datetime, timedelta

from nanogrid.model import ErrorKind, Function, Mode, Outcome, Run, RunError, RunStatus, Task

#: Longest first pause; each next one may be twice as long, up to the last. In seconds.
_FIRST_PAUSE_S = 1.0
_LAST_PAUSE_S = 300.0
#: How long a task is put off that cannot run now through no fault of its own; longer each time it comes, in seconds.
_FIRST_POSTPONEMENT_S = 1.0
_POSTPONEMENT_GROWTH = 1.5
_LAST_POSTPONEMENT_S = 120.0
#: Attempts from which on it is the task's failure that a store is away: an hour has gone by then, and more.
MOST_ABSENCES = 40


def next_pause_s(task: Task, function: Function, retried: int, now: datetime, chance: float) -> float | None:
    """How long to wait before the failed run is tried again, in seconds; None where its policy says no.

    `retried` is how often it has been already; `chance`, from 0 to 1, is drawn by the caller.
    """
    if task.mode is not Mode.ASYNC or retried >= function.retries:
        return None
    pause_s = chance * min(_FIRST_PAUSE_S * 2**retried, _LAST_PAUSE_S)
    return None if is_too_old(task, function, now + timedelta(seconds=pause_s)) else pause_s


def postponement_s(attempt: int) -> float:
    """How long to put a task off that came for this attempt."""
    return min(_FIRST_POSTPONEMENT_S * _POSTPONEMENT_GROWTH**attempt, _LAST_POSTPONEMENT_S)


def is_too_old(task: Task, function: Function, now: datetime) -> bool:
    """Whether the task has waited for so long that it is not to be started any more."""
    if task.mode is not Mode.ASYNC or not function.max_age_ms:
        return False
    # By the time of day: it is the only clock that goes on from one process to the next.
    return now - task.enqueued_at > timedelta(milliseconds=function.max_age_ms)


def expired(run: Run, function: Function) -> Outcome:
    """The outcome of a run that is too old."""
    message = f"The run was not done when its maxAgeMs, {function.max_age_ms}, was over."
    if run.error is not None:
        message += f" Its last failure: {run.error.type}: {run.error.message}"
    return Outcome(status=RunStatus.FAILED, error=RunError(kind=ErrorKind.EXPIRED, type="Expired", message=message))
