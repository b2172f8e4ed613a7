"""The values everybody speaks of: function, run, task, lease, outcome. Frozen, typed, and nothing else.

In JSON every field is camelCase. Times are aware UTC datetimes, durations are milliseconds, sizes are bytes
unless the name says MB.
"""

import enum
from datetime import datetime

from msgspec import UNSET, Raw, Struct, UnsetType, field

#: JSON `null`, ready to be placed into an answer.
NULL = Raw(b"null")

#: Whose functions and runs those are of which nobody said otherwise; its admins look after the whole grid.
DEFAULT_TENANT = "default"

MIN_MEMORY_MB = 128
MAX_MEMORY_MB = 10_240
DEFAULT_MEMORY_MB = 128
MAX_TIMEOUT_MS = 12 * 3_600_000
MAX_AGE_MS = 7 * 24 * 3_600_000
DEFAULT_TIMEOUT_MS = 30_000
MAX_INPUT_BYTES = 6 * 1024 * 1024
#: As Lambda has it, to the byte.
MAX_OUTPUT_BYTES = 6 * 1024 * 1024 + 100
#: What one run may stream, all parts together, as JSON.
MAX_STREAM_BYTES = 256 * 1024 * 1024
#: How much of what was streamed is kept in the run's record.
RECORDED_STREAM_BYTES = 256 * 1024
MAX_LOG_BYTES = 256 * 1024
#: A path of an artifact as UTF-8.
MAX_ARTIFACT_PATH_BYTES = 1024
#: Platform failures after which a task goes to the dead letters.
MAX_PLATFORM_FAILURES = 5


class Record(Struct, frozen=True, rename="camel", kw_only=True):
    """Base of every value: immutable, camelCase in JSON."""


class Network(enum.StrEnum):
    """What a function may reach."""

    #: Nothing: the sandbox has no network at all.
    NONE = "none"
    #: The internet, but neither this machine nor its neighbours.
    OUTBOUND = "outbound"


class Http(enum.StrEnum):
    """Who may call a function under `/fn`."""

    #: Nobody: it is run by `/run` only.
    OFF = "off"
    #: Who has a key that may run it.
    TOKEN = "token"  # noqa: S105 - a word
    #: Everybody who reaches the grid.
    PUBLIC = "public"


class Mode(enum.StrEnum):
    """How the caller waits."""

    SYNC = "sync"
    ASYNC = "async"


class RunStatus(enum.StrEnum):
    """Where a run stands: queued -> running -> one of the four ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    #: The function failed; `error` says how.
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: The platform failed five times; the run is among the dead letters.
    DEAD = "dead"

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to the run any more."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


class ErrorKind(enum.StrEnum):
    """Why a run did not succeed."""

    #: The handler raised.
    EXCEPTION = "exception"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    #: The process ended by itself or by a signal.
    EXITED = "exited"
    #: The code could not be imported, or the handler not found.
    INIT_FAILED = "init_failed"
    RESULT_TOO_LARGE = "result_too_large"
    RESULT_NOT_SERIALIZABLE = "result_not_serializable"
    #: The function was deleted before the run could start.
    FUNCTION_DELETED = "function_deleted"
    #: An asynchronous run waited for longer than its function's `max_age_ms`.
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    #: The platform could not run it; `message` has the last reason.
    PLATFORM = "platform"


class Settings(Record, frozen=True, kw_only=True):
    """What one version of a function runs with."""

    runtime: str
    handler: str
    memory_mb: int = DEFAULT_MEMORY_MB
    #: How far the grid may raise `memory_mb` where a run has ended for the lack of it; 0: it may not.
    auto_memory_mb: int = 0
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    environment: dict[str, str] = {}
    #: Environment variables whose values are secrets: the variable's name, and the secret's.
    secrets: dict[str, str] = {}
    network: Network = Network.NONE
    #: Most runs at once; 0 means as many as the grid has room for.
    concurrency: int = 0
    #: How often a failed asynchronous run is tried again.
    retries: int = 0
    #: Age, in milliseconds, from which an asynchronous run is not started or tried again any more; 0: no limit.
    max_age_ms: int = 0
    #: How long a warm sandbox may idle before it is ended, in milliseconds.
    idle_ttl_ms: int = 600_000
    #: Who may call it under `/fn`.
    http: Http = Http.OFF


class Function(Settings, frozen=True, kw_only=True):
    """One version of a function: identity, settings, code. Never changed, only followed by the next version."""

    function_id: str
    name: str
    #: Whose it is; nobody else sees it.
    tenant: str = DEFAULT_TENANT
    version: int
    #: Digest of the canonical archive: 64 hexadecimal digits.
    code_sha256: str
    #: Size of the canonical archive in bytes.
    code_size: int
    created_at: datetime
    updated_at: datetime
    #: Why the grid has made this version by itself; empty where somebody deployed it.
    note: str = ""


class RunError(Record, frozen=True, kw_only=True):
    """How a run failed: a value, never an exception of ours."""

    kind: ErrorKind
    #: The exception's class in the function's own language, or the kind again.
    type: str
    message: str
    #: The user's frames only, outermost first, one line each.
    stack_trace: list[str] = []


class Logs(Record, frozen=True, kw_only=True):
    """What a run wrote to stdout and stderr, head and tail of it where it was too much."""

    text: str = ""
    truncated: bool = False


class Artifact(Record, frozen=True, kw_only=True):
    """A file that a run left in its output folder."""

    #: Within the folder, with slashes.
    path: str
    #: In bytes.
    size: int
    sha256: str


class ArtifactLimits(Record, frozen=True, kw_only=True):
    """What one run may leave in its output folder; what is more is not kept."""

    count: int = 100
    #: Largest file, in bytes.
    file_bytes: int = 16 * 1024 * 1024
    #: All files together, in bytes.
    total_bytes: int = 64 * 1024 * 1024


class Usage(Record, frozen=True, kw_only=True):
    """What a run cost."""

    queued_ms: float = 0.0
    cold_start: bool = False
    #: Starting the sandbox and importing the code; 0 when warm.
    init_ms: float = 0.0
    duration_ms: float = 0.0
    peak_memory_mb: float = 0.0
    #: What the run's memory was raised to before this try; 0: it had what its version has.
    raised_memory_mb: int = 0


class Trigger(Record, frozen=True, kw_only=True):
    """What made a run, where nobody asked for it."""

    #: The schedule's name.
    schedule: str
    #: The moment that it is for; the run may begin later.
    due_at: datetime


class Run(Record, frozen=True, kw_only=True):
    """What the user asked for and what became of it."""

    run_id: str
    function_id: str
    function_name: str
    #: Whose it is; nobody else sees it.
    tenant: str = DEFAULT_TENANT
    version: int
    status: RunStatus
    mode: Mode = Mode.SYNC
    #: JSON as the handler returned it, never re-encoded. Made by a factory: a schema cannot show a Raw default.
    output: Raw = field(default_factory=lambda: NULL)
    #: Whether the handler has yielded: the output then is the list of its parts.
    streamed: bool = False
    #: Whether that list has only the first of them: they were streamed, and were more than a record keeps.
    output_truncated: bool = False
    error: RunError | None = None
    logs: Logs = Logs()
    #: The files that it left in its output folder.
    artifacts: list[Artifact] = []
    usage: Usage = Usage()
    #: Which try this is, from 1; 0 while none has begun.
    attempt: int = 0
    #: How often the function's own retry policy has put it back.
    retried: int = 0
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    #: JSON as the caller sent it; only where one run is read in full.
    input: Raw | UnsetType = UNSET
    #: Only where a schedule made it.
    trigger: Trigger | UnsetType = UNSET


class Outcome(Record, frozen=True, kw_only=True):
    """How one attempt ended: everything `RunStore.finish` needs."""

    status: RunStatus
    output: Raw = NULL
    streamed: bool = False
    output_truncated: bool = False
    error: RunError | None = None
    logs: Logs = Logs()
    artifacts: list[Artifact] = []
    usage: Usage = Usage()


class Task(Record, frozen=True, kw_only=True):
    """A run's message on the queue."""

    run_id: str
    function_id: str
    version: int
    mode: Mode
    input: Raw
    enqueued_at: datetime
    #: The function's limit on runs at once when the task was sent; 0 means none.
    concurrency: int = 0
    tenant: str = DEFAULT_TENANT
    #: The tenant's limit on runs at once when the task was sent; 0 means none.
    tenant_concurrency: int = 0
    #: The tenant's limit on tasks that wait or run; 0 means none.
    tenant_backlog: int = 0
    #: W3C's, of what this task belongs to; empty where the caller is not traced.
    traceparent: str = ""


class Lease(Record, frozen=True, kw_only=True):
    """A task held for a limited time."""

    task: Task
    #: Names this very lease; a redelivered task has another.
    receipt: str
    #: How often the task has been handed out, from 1; the fencing token.
    attempt: int
    #: How many of those ended by a failure of the platform.
    failures: int = 0


class DeadLetter(Record, frozen=True, kw_only=True):
    """A task that the platform could not run, and why."""

    run_id: str
    function_id: str
    tenant: str = DEFAULT_TENANT
    reason: str
    failures: int
    buried_at: datetime


class LogLine(Record, frozen=True, kw_only=True):
    """One line that a run wrote."""

    run_id: str
    function_id: str
    at: datetime
    text: str
    #: debug, info, warning, error or critical, where the line itself says so.
    level: str | None = None


class Depth(Record, frozen=True, kw_only=True):
    """How much a queue holds."""

    visible: int
    in_flight: int


class Place(enum.StrEnum):
    """Where a task is, seen from the queue."""

    #: It can be taken, when those before it are.
    READY = "ready"
    #: It waits until it is due.
    DELAYED = "delayed"
    #: A worker holds it.
    LEASED = "leased"


class Ahead(Record, frozen=True, kw_only=True):
    """Tasks of one function that are taken before another task."""

    function_id: str
    tenant: str
    tasks: int


class Standing(Record, frozen=True, kw_only=True):
    """Where a task stands on its queue."""

    place: Place
    #: What is taken before it if nothing else comes: functions take turns. Its own function is the first, if there.
    ahead: list[Ahead] = []
    #: In how many seconds a delayed one can be taken.
    due_in_s: float | None = None
    #: How many of its function's tasks are leased, and how many of its tenant's.
    function_leased: int = 0
    tenant_leased: int = 0


class StoredRecord(Record, frozen=True, kw_only=True):
    """A small named value as a record store keeps it."""

    #: What it is of, such as `key` or `alias`.
    kind: str
    name: str
    #: JSON, as whoever put it there wrote it.
    value: Raw
    #: Names this very state of the record.
    revision: str


class Scope(enum.StrEnum):
    """What a key may do."""

    #: Make, change and delete functions, their aliases and their secrets.
    DEPLOY = "deploy"
    #: Run and schedule functions, and follow, cancel and redrive runs.
    RUN = "run"
    #: Read functions, runs, logs and numbers.
    READ = "read"
    #: All of these, and keys and quotas.
    ADMIN = "admin"


class Principal(Record, frozen=True, kw_only=True):
    """Somebody with a token."""

    name: str
    tenant: str = DEFAULT_TENANT
    #: What it may do, each thing named; whoever makes a principal writes `admin` out as all of them.
    scopes: frozenset[Scope] = frozenset(Scope)
    #: The only functions that it may run, by name; None: all of its tenant's.
    functions: frozenset[str] | None = None
    #: When it ends to be one; None: never.
    expires_at: datetime | None = None


class Key(Record, frozen=True, kw_only=True):
    """What opens a grid to a program or a person; its token is shown once, and only its digest kept."""

    key_id: str
    #: What people call it.
    name: str
    tenant: str
    scopes: list[Scope]
    #: The only functions that it may run, by name; None: all of its tenant's.
    functions: list[str] | None = None
    created_at: datetime
    #: When it ends; None: never.
    expires_at: datetime | None = None
    #: Under which it signs requests as AWS' tools do; None: it has no secret to sign with.
    access_key_id: str | None = None


class Quota(Record, frozen=True, kw_only=True):
    """The most that one tenant may have and do; 0 means no limit."""

    functions: int = 0
    #: Stored code of all versions, in bytes; the same code counts once.
    code_bytes: int = 0
    #: Runs at once; more wait.
    concurrent_runs: int = 0
    #: Runs that begin within a minute; more are refused.
    runs_per_minute: int = 0
    #: Runs that wait or are under way; more are refused.
    backlog: int = 0
    schedules: int = 0
    #: Shortest time between two due times of a schedule, in milliseconds.
    schedule_interval_ms: int = 0


class TenantUsage(Record, frozen=True, kw_only=True):
    """What one tenant has."""

    functions: int
    code_bytes: int
    schedules: int = 0


class UploadPlace(Record, frozen=True, kw_only=True):
    """Where an archive is to be sent by PUT, ahead of the function it is for."""

    sha256: str
    size: int
    #: A path of this API, which takes the token; or a URL elsewhere, which must not see it.
    address: str
    #: What has to be sent along; a URL elsewhere refuses what lacks it.
    headers: dict[str, str] = {}
    #: For how long it is taken there, from now on.
    valid_ms: int
