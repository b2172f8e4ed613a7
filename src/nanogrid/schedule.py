"""The values of schedules: what fires when, and what became of it."""

import enum
from datetime import datetime

from msgspec import UNSET, Raw, UnsetType

from nanogrid.model import DEFAULT_TENANT, Record, RunStatus


class Missed(enum.StrEnum):
    """What is done about due times at which no grid was there to fire."""

    #: Nothing.
    SKIP = "skip"
    #: One run, however many were missed.
    ONCE = "once"
    #: A run for each of them, the latest hundred at most.
    ALL = "all"


class Overlap(enum.StrEnum):
    """What is done where the run before is still under way."""

    #: Another run begins beside it.
    ALLOW = "allow"
    #: None begins.
    SKIP = "skip"
    #: One begins when it has ended.
    QUEUE = "queue"


class FireOutcome(enum.StrEnum):
    """What came of a due time."""

    #: A run was made.
    STARTED = "started"
    #: The run before had not ended, and so it was skipped.
    OVERLAPPED = "overlapped"
    #: No grid was there in time, and so it was skipped.
    MISSED = "missed"
    #: No run could be made; `reason` says why.
    REFUSED = "refused"


class Fire(Record, frozen=True, kw_only=True):
    """What came of one due time, or of several in a row that came to the same."""

    #: For when it was; of several the last.
    due_at: datetime
    #: When it was dealt with.
    at: datetime
    outcome: FireOutcome
    #: The run that was made.
    run_id: str | None = None
    reason: str | None = None
    #: How many due times this stands for.
    count: int = 1


class Schedule(Record, frozen=True, kw_only=True):
    """A function that runs by itself at certain times."""

    name: str
    tenant: str = DEFAULT_TENANT
    function_id: str
    #: As it was named: `report`, `report:live`, `report:3`.
    function: str
    #: Five fields of cron, `@daily`, or `every 5 minutes`.
    expression: str
    #: In which the expression is read, by its IANA name.
    timezone: str = "UTC"
    #: What the function gets; where absent, it is told the schedule's name and the due time.
    input: Raw | UnsetType = UNSET
    enabled: bool = True
    missed: Missed = Missed.ONCE
    overlap: Overlap = Overlap.ALLOW
    created_at: datetime
    updated_at: datetime
    #: When it fires next; None while it is paused.
    next_at: datetime | None = None
    #: Due times whose runs wait for the end of the run before, oldest first.
    waiting: list[datetime] = []


class FireReport(Fire, frozen=True, kw_only=True):
    """A fire with how its run stands."""

    #: None where there is no run, or where it is forgotten.
    status: RunStatus | None = None


class ScheduleReport(Schedule, frozen=True, kw_only=True):
    """A schedule with what it means and how it fares."""

    #: The expression in words.
    description: str
    #: Its latest fire; None before the first.
    last: FireReport | None = None


class ScheduleDetail(ScheduleReport, frozen=True, kw_only=True):
    """A schedule in full."""

    #: Its next due times, soonest first; none while it is paused.
    next: list[datetime]
    #: What came of the latest due times, newest first.
    fires: list[FireReport]
