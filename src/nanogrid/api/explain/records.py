"""What an explanation is made of."""

import enum
from datetime import datetime

from nanogrid.model import Record, RunStatus


class Reason(enum.StrEnum):
    """Why a run stands where it does; one that failed has its `error.kind` as the reason instead."""

    #: It failed, and is tried again when the pause of its retry policy is over.
    RETRY_PAUSE = "retry_pause"
    #: The platform failed at it, or gave it back; it is tried again in a moment.
    GIVEN_BACK = "given_back"
    #: Its function runs as often as its `concurrency` allows.
    FUNCTION_LIMIT = "function_limit"
    #: Its tenant has as many runs under way as its quota allows.
    TENANT_LIMIT = "tenant_limit"
    #: The worker holds as many tasks as it may.
    WORKER_FULL = "worker_full"
    #: A worker has it, and no sandbox more has room in the memory.
    NO_ROOM = "no_room"
    #: A worker has it, and a sandbox is being made ready.
    SANDBOX_STARTING = "sandbox_starting"
    #: Tasks wait, and no worker holds any.
    NO_WORKER = "no_worker"
    #: Other tasks come first.
    OTHERS_FIRST = "others_first"
    #: Nothing that the grid knows of holds it up.
    ABOUT_TO_BEGIN = "about_to_begin"
    RUNNING = "running"
    SUCCEEDED = "succeeded"


class Limit(Record, frozen=True, kw_only=True):
    """The limit that decided."""

    #: As the setting, quota or variable is called.
    name: str
    value: int
    #: `MB`, `ms`, `bytes`, `runs`, `tasks` or `tries`.
    unit: str
    #: How much of it is, or was, used; null where nobody measured.
    used: float | None = None


class TasksAhead(Record, frozen=True, kw_only=True):
    """Tasks of one function that come first."""

    #: Null for those of other tenants, all together.
    function_name: str | None = None
    tasks: int


class QueuePlace(Record, frozen=True, kw_only=True):
    """Where a run that waits stands in the queue."""

    #: How many tasks come first if nothing else comes; functions take turns.
    ahead: int
    ahead_of: list[TasksAhead] = []
    #: When it can be taken at the earliest, where it is not yet.
    due_at: datetime | None = None


class Step(Record, frozen=True, kw_only=True):
    """Something to do next."""

    text: str
    #: What to type for it, complete but for words in capitals; null where nothing is typed.
    command: str | None = None


class Account(Record, frozen=True, kw_only=True):
    """The part of an explanation that depends on where the run stands."""

    reason: str
    title: str
    #: One sentence or more.
    why: str
    limit: Limit | None = None
    queue: QueuePlace | None = None
    next: list[Step] = []
    #: What this grid has no way to tell.
    unknown: list[str] = []


class Explanation(Account, frozen=True, kw_only=True):
    """Why a run waits, or ended as it did, and what to do next."""

    run_id: str
    function_name: str
    version: int
    status: RunStatus
