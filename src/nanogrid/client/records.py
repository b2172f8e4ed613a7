"""What the SDK returns: the records of the HTTP API, with outputs as Python values.

Unknown fields are ignored, so that a newer grid can be spoken to.
"""

import json
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from nanogrid.client.errors import FunctionFailed, RunCancelled, RunDead, RunUnsuccessful
from nanogrid.model import (
    DEFAULT_TENANT,
    NULL,
    Artifact,
    DeadLetter,
    ErrorKind,
    Function,
    Key,
    Logs,
    Mode,
    Quota,
    Record,
    RunError,
    RunStatus,
    TenantUsage,
    Trigger,
    Usage,
)
from nanogrid.schedule import FireReport, ScheduleReport

T = TypeVar("T")

_UNSUCCESSFUL: dict[RunStatus, type[RunUnsuccessful]] = {
    RunStatus.FAILED: FunctionFailed,
    RunStatus.CANCELLED: RunCancelled,
    RunStatus.DEAD: RunDead,
}

ArtifactInfo = Artifact
DeadLetterInfo = DeadLetter
KeyInfo = Key


class FunctionInfo(Function, frozen=True, kw_only=True):
    """One version of a function, and what its runs so far recommend."""

    #: None until there are runs to judge by.
    recommended_memory_mb: int | None = None
    recommended_timeout_ms: int | None = None


class RunInfo(Record, frozen=True, kw_only=True):
    """A run as it stands: `model.Run`, except that `output` and `input` are Python values."""

    run_id: str
    function_id: str
    function_name: str
    tenant: str = DEFAULT_TENANT
    version: int
    status: RunStatus
    mode: Mode = Mode.SYNC
    #: The output as JSON, exactly as the handler returned it.
    output_json: Raw = msgspec.field(name="output", default=NULL)
    #: Whether the handler has yielded its output, which then is a list; and whether of that only the beginning is kept.
    streamed: bool = False
    output_truncated: bool = False
    error: RunError | None = None
    logs: Logs = Logs()
    #: The files that it left in its output folder.
    artifacts: list[Artifact] = []
    usage: Usage = Usage()
    attempt: int = 0
    retried: int = 0
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    #: The input as JSON; only where one run is read in full.
    input_json: Raw | UnsetType = msgspec.field(name="input", default=UNSET)
    #: The schedule that made it, and the moment that it is for; None where somebody asked for it.
    trigger: Trigger | None = None

    @property
    def output(self) -> Any:
        """What the handler returned; None unless the run succeeded."""
        return json.loads(bytes(self.output_json))

    @property
    def input(self) -> Any:
        """What the handler got; None where the record came without it."""
        return None if self.input_json is UNSET else json.loads(bytes(self.input_json))

    def result(self) -> Any:
        """The output of a run that succeeded. Raises `RunUnsuccessful`, whose three kinds say what happened."""
        if self.status is RunStatus.SUCCEEDED:
            return self.output
        raise self._failure()

    def _failure(self) -> RunUnsuccessful:
        kind = _UNSUCCESSFUL.get(self.status, RunUnsuccessful)
        error = self.error or RunError(
            kind=ErrorKind.PLATFORM, type=self.status.value, message=f"The run is {self.status.value}."
        )
        where = f" at {error.stack_trace[-1].strip()}" if error.stack_trace else ""
        return kind(
            f"{self.function_name}: {error.type}: {error.message}{where} (run {self.run_id})",
            run_id=self.run_id,
            kind=error.kind,
            type=error.type,
            message=error.message,
            stack_trace=error.stack_trace,
            logs=self.logs.text,
        )


class AliasInfo(Record, frozen=True, kw_only=True):
    """A name for a version, or for shares of several."""

    alias: str
    version: int
    #: Which share of runs goes to which other version.
    weights: dict[int, float] = {}
    updated_at: datetime
    #: How many milliseconds it waited for its versions to be warm; None where nobody waited.
    warm_ms: float | None = None


class LimitInfo(Record, frozen=True, kw_only=True):
    """The limit that decided."""

    name: str
    value: int
    unit: str
    used: float | None = None


class TasksAheadInfo(Record, frozen=True, kw_only=True):
    """Tasks of one function that come first; of other tenants' all together where it has no name."""

    function_name: str | None = None
    tasks: int


class QueuePlaceInfo(Record, frozen=True, kw_only=True):
    """Where a run that waits stands in the queue."""

    ahead: int
    ahead_of: list[TasksAheadInfo] = []
    due_at: datetime | None = None


class StepInfo(Record, frozen=True, kw_only=True):
    """Something to do next, and what to type for it."""

    text: str
    command: str | None = None


class ExplanationInfo(Record, frozen=True, kw_only=True):
    """Why a run waits, or ended as it did, and what to do next."""

    run_id: str
    function_name: str
    version: int
    status: RunStatus
    #: A stable word, such as `function_limit` or `out_of_memory`.
    reason: str
    title: str
    why: str
    limit: LimitInfo | None = None
    queue: QueuePlaceInfo | None = None
    next: list[StepInfo] = []
    #: What the grid has no way to tell.
    unknown: list[str] = []


class VaultRotated(Record, frozen=True, kw_only=True):
    """What a rotation of the vault's key came to."""

    secrets: int


class ScheduleInfo(ScheduleReport, frozen=True, kw_only=True):
    """A schedule, what it means, and how it fares."""

    #: Its next due times, soonest first; None in a listing.
    next: list[datetime] | None = None
    #: What came of the latest due times, newest first; None in a listing.
    fires: list[FireReport] | None = None


class SecretInfo(Record, frozen=True, kw_only=True):
    """A secret, without its value."""

    name: str
    created_at: datetime
    updated_at: datetime


class NewKey(Key, frozen=True, kw_only=True):
    """A key that was made just now."""

    #: What opens the grid; nobody can tell it again.
    token: str
    #: What it signs requests with as AWS' tools do, if it does; nobody can tell it again.
    secret_access_key: str | None = None


class QuotaInfo(Record, frozen=True, kw_only=True):
    """What a tenant may have, and what it has."""

    tenant: str
    quota: Quota
    usage: TenantUsage


class LogEntry(Record, frozen=True, kw_only=True):
    """One line that a run wrote."""

    run_id: str
    at: datetime
    text: str
    #: debug, info, warning, error or critical, where the line itself says so.
    level: str | None = None


class LogLines(Record, frozen=True, kw_only=True):
    """Recent lines of one function, oldest first."""

    lines: list[LogEntry]


class Listing(Record, Generic[T], frozen=True, kw_only=True):
    """One page; `next_cursor` continues it and is None on the last one."""

    items: list[T]
    next_cursor: str | None = None
