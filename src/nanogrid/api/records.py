"""What comes in and goes out besides the records of `model`: one struct per body and query, its limits in its types."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from nanogrid.aliases import Alias
from nanogrid.change import Change
from nanogrid.model import (
    MAX_AGE_MS,
    MAX_MEMORY_MB,
    MAX_TIMEOUT_MS,
    MIN_MEMORY_MB,
    Artifact,
    Function,
    Http,
    Key,
    LogLine,
    Mode,
    Network,
    Quota,
    Record,
    RunStatus,
    Scope,
    TenantUsage,
)
from nanogrid.schedule import Missed, Overlap
from nanogrid.scheduler import ScheduleChange

#: Environment variables of a function, names and values together, in bytes.
MAX_ENVIRONMENT_BYTES = 32 * 1024

Name = Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_-]{0,63}$", description="Letters, digits, '-' and '_'.")]
Runtime = Annotated[
    str, Meta(min_length=1, max_length=40, description="`python3`, `python3.11`, `nodejs`, `command` or `provided`.")
]
Handler = Annotated[str, Meta(min_length=1, max_length=255, description="`module.function`, or an executable.")]
MemoryMb = Annotated[int, Meta(ge=MIN_MEMORY_MB, le=MAX_MEMORY_MB)]
AutoMemoryMb = Annotated[
    int, Meta(ge=0, le=MAX_MEMORY_MB, description="How far the grid may raise `memoryMb` by itself; 0: it is fixed.")
]
TimeoutMs = Annotated[int, Meta(ge=1, le=MAX_TIMEOUT_MS)]
Concurrency = Annotated[int, Meta(ge=0, le=10_000, description="Most runs at once; 0: as many as there is room for.")]
Retries = Annotated[int, Meta(ge=0, le=10, description="Tries again of a failed asynchronous run.")]
MaxAgeMs = Annotated[
    int, Meta(ge=0, le=MAX_AGE_MS, description="Age at which an asynchronous run is not tried any more; 0: never.")
]
IdleTtlMs = Annotated[int, Meta(ge=0, le=86_400_000, description="How long a warm sandbox may idle.")]
VariableName = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=255)]
VariableValue = Annotated[str, Meta(max_length=MAX_ENVIRONMENT_BYTES)]
Environment = Annotated[dict[VariableName, VariableValue], Meta(description="At most 32 KiB, names and values.")]
SecretNames = Annotated[
    dict[VariableName, Name], Meta(max_length=50, description="Variables whose values are secrets: the secrets' names.")
]
Source = Annotated[str, Meta(max_length=5 * 1024 * 1024, description="One file's code, in place of `zip`.")]
Archive = Annotated[bytes, Meta(description="A zip archive, base64 in JSON, a file in multipart.")]
Sha256 = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="The sha-256 of an archive that was sent ahead, see POST /uploads.")
]
Limit = Annotated[int, Meta(ge=1, le=200)]
Cursor = Annotated[str, Meta(min_length=1, max_length=1024, description="`nextCursor` of the page before.")]
Reference = Annotated[str, Meta(min_length=1, max_length=64, description="A function's id or name.")]

RunReference = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=129,
        description="A function's id or name: its latest version, or `name:version`, `name:alias`.",
    ),
]
Expression = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="Five fields of cron (`0 7 * * MON-FRI`), `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, "
        "or `every 5 minutes`.",
    ),
]
Timezone = Annotated[str, Meta(min_length=1, max_length=64, description="An IANA name, such as Europe/Berlin.")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Tenant = Annotated[
    str, Meta(pattern="^[a-z][a-z0-9-]{0,31}$", description="Lower-case letters, digits and '-'; 32 at most.")
]
Count = Annotated[int, Meta(ge=0, le=2**53, description="0: no limit.")]


class Update(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next version of a function: what is absent stays as it is."""

    runtime: Runtime | UnsetType = UNSET
    handler: Handler | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    zip: Archive | UnsetType = UNSET
    upload: Sha256 | UnsetType = UNSET
    memory_mb: MemoryMb | UnsetType = UNSET
    auto_memory_mb: AutoMemoryMb | UnsetType = UNSET
    timeout_ms: TimeoutMs | UnsetType = UNSET
    environment: Environment | UnsetType = UNSET
    secrets: SecretNames | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    concurrency: Concurrency | UnsetType = UNSET
    retries: Retries | UnsetType = UNSET
    max_age_ms: MaxAgeMs | UnsetType = UNSET
    idle_ttl_ms: IdleTtlMs | UnsetType = UNSET
    http: Http | UnsetType = UNSET


class Deployment(Update, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function's first version; the code is `source`, `zip` or `upload`."""

    name: Name
    runtime: Runtime


class UploadRequest(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An archive that is to be sent ahead."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=1, description="Its size in bytes.")]


class RunRequest(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run, with what, and how the caller waits."""

    function_id: RunReference
    #: Any JSON value; null where absent. It reaches the function byte by byte as it was sent.
    input: Raw | UnsetType = UNSET
    mode: Mode = Mode.SYNC


class Query(Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """Base of every query: what is not named in it is refused."""


class PageQuery(Query, frozen=True, kw_only=True):
    """Where a listing goes on."""

    limit: Limit = 50
    cursor: Cursor | None = None


class RunsQuery(PageQuery, frozen=True, kw_only=True):
    """Which runs to list."""

    function_id: Reference | None = None
    status: RunStatus | None = None


class VersionQuery(Query, frozen=True, kw_only=True):
    """Which version; the latest where absent."""

    version: Version | None = None


class WaitQuery(Query, frozen=True, kw_only=True):
    """How long to wait for the end of a run."""

    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class LogsQuery(Query, frozen=True, kw_only=True):
    """Which log lines: the latest so many, or those from now on as they are written."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    follow: bool = False


class Rollback(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version to go back to; the one before the latest where absent."""

    version: Version | None = None


class ScheduleUpdate(ScheduleChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of a schedule: what is absent stays as it is."""

    function: RunReference | UnsetType = UNSET
    expression: Expression | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    #: What the function gets; where it was never set, the schedule's name and the due time.
    input: Raw | UnsetType = UNSET
    #: False pauses it. Due times that pass meanwhile are not made up for.
    enabled: bool | UnsetType = UNSET
    #: Due times at which no grid was there: none, one or all of them are made up for.
    missed: Missed | UnsetType = UNSET
    #: Where the run before is still under way.
    overlap: Overlap | UnsetType = UNSET


class NewSchedule(ScheduleUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule to be made."""

    #: As the function where absent.
    name: Name | None = None
    function: RunReference
    expression: Expression


class SchedulesQuery(PageQuery, frozen=True, kw_only=True):
    """Which schedules to list."""

    function_id: Reference | None = None


class SecretChange(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret's value."""

    value: Annotated[
        str, Meta(min_length=1, max_length=MAX_ENVIRONMENT_BYTES, pattern=r"^[^\x00]*$", description="Any text.")
    ]


class VaultRotated(Record, frozen=True, kw_only=True):
    """What a rotation of the vault's key came to."""

    #: How many secrets, of all tenants, are sealed anew.
    secrets: int


class AliasChange(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an alias means from now on."""

    version: Version
    #: Which share of runs goes to which other version; the rest goes to `version`.
    weights: Annotated[
        dict[Version, Annotated[float, Meta(gt=0, lt=1)]], Meta(max_length=10, description="Version: share of runs.")
    ] = {}


class AliasMoved(Alias, frozen=True, kw_only=True):
    """An alias that was moved just now."""

    #: How many milliseconds it waited for its versions to be warm; null where this grid starts no sandboxes itself.
    warm_ms: float | None = None


class KeyRequest(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made."""

    name: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,80}$", description="What people call it.")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)]
    #: The only functions that it may run; all where absent.
    functions: Annotated[list[Name], Meta(min_length=1, max_length=100)] | None = None
    #: When it ends; never where absent.
    expires_at: datetime | None = None
    #: Whose it is: another tenant than one's own can be named by the grid's owner only.
    tenant: Tenant | None = None
    #: Let it sign requests as AWS' tools do, with an access key id and a secret besides the token.
    aws: bool = False


class KeyCreated(Key, frozen=True, kw_only=True):
    """A key with its token, which is shown this once."""

    token: str
    #: What it signs with, if it does; shown this once, too.
    secret_access_key: str | UnsetType = UNSET


class TenantQuery(Query, frozen=True, kw_only=True):
    """Which tenant; one's own where absent."""

    tenant: Tenant | None = None


class KeysQuery(PageQuery, frozen=True, kw_only=True):
    """Whose keys to list; one's own where absent."""

    tenant: Tenant | None = None


class QuotaChange(Quota, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant's quota: what is absent has no limit."""

    functions: Count = 0
    code_bytes: Count = 0
    concurrent_runs: Count = 0
    runs_per_minute: Count = 0
    backlog: Count = 0
    schedules: Count = 0
    schedule_interval_ms: Count = 0


class QuotaReport(Record, frozen=True, kw_only=True):
    """What a tenant may have, and what it has."""

    tenant: str
    quota: Quota
    usage: TenantUsage


class FunctionDetail(Function, frozen=True, kw_only=True):
    """A function with what its recent runs recommend; absent while there are none."""

    recommended_memory_mb: int | UnsetType = UNSET
    recommended_timeout_ms: int | UnsetType = UNSET


class Artifacts(Record, frozen=True, kw_only=True):
    """The files that a run left, by path."""

    items: list[Artifact]


class LogLines(Record, frozen=True, kw_only=True):
    """Log lines, oldest first."""

    lines: list[LogLine]
    #: Why these are recent lines only, although they were to be followed.
    note: str | UnsetType = UNSET


class Health(Record, frozen=True, kw_only=True):
    """That the grid is there."""

    status: str
    version: str
