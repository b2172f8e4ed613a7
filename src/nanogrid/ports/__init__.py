"""The ports: what the middle needs from the outside, and what it is promised.

Read this page to learn the guarantees; those of sandboxes are on the next one, `sandbox.py`. Each promise is a
conformance test under `tests/conformance/`, run on every backend. Order is part of the design and belongs to the
callers: accept before 202; listen before send; store before publish; publish before ack.

Unless a docstring says otherwise, a method may raise `StoreUnavailable` when what stands behind it does not answer;
it may be called again then.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from msgspec import Raw

from nanogrid.model import (
    DEFAULT_TENANT,
    DeadLetter,
    Depth,
    Function,
    Lease,
    LogLine,
    Outcome,
    Record,
    Run,
    RunStatus,
    Standing,
    StoredRecord,
    Task,
    UploadPlace,
)
from nanogrid.ports.sandbox import (
    Claim,
    Invocation,
    LogSink,
    Outlet,
    Part,
    Reply,
    Sandbox,
    SandboxDriver,
    SandboxPool,
)

__all__ = [
    "Acceptance",
    "ArtifactStore",
    "Claim",
    "CodeStore",
    "DeadLetters",
    "FastPath",
    "Invocation",
    "Listener",
    "LogFeed",
    "LogSink",
    "Outlet",
    "Page",
    "Part",
    "RecordStore",
    "Registry",
    "Reply",
    "ResultBus",
    "RunStore",
    "Sandbox",
    "SandboxDriver",
    "SandboxPool",
    "TaskQueue",
    "Uploads",
    "Vault",
]

T = TypeVar("T")


class Page(Record, Generic[T], frozen=True, kw_only=True):
    """One page of a listing; `next_cursor` continues it and is None on the last page."""

    items: list[T]
    next_cursor: str | None = None


class CodeStore(ABC):
    """Keeps bytes by their content. A digest is the sha-256 of the bytes, as 64 hexadecimal digits."""

    @abstractmethod
    async def put(self, content: bytes) -> str:
        """Keep the bytes and return their digest. Idempotent; atomic: never half a file under a digest."""

    @abstractmethod
    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises `CodeNotFound`; `CodeCorrupt` where they no longer match the digest."""

    @abstractmethod
    async def delete(self, digest: str) -> None:
        """Forget the bytes. Idempotent: an absent digest is no error."""


class Uploads(ABC):
    """Archives that are sent ahead of the function they are for: each tenant's own, by sha-256, for a day.

    What another tenant sent is not found, and not told from what nobody did.
    """

    @abstractmethod
    async def place(self, digest: str, size: int, *, tenant: str) -> UploadPlace | None:
        """Where exactly these bytes can be sent for a while, without a token; None where `keep` takes them."""

    @abstractmethod
    async def keep(self, content: bytes, *, tenant: str) -> None:
        """Keep what came through the grid itself. Idempotent; atomic: never half an archive under a digest."""

    @abstractmethod
    async def get(self, digest: str, *, tenant: str) -> bytes:
        """What was sent. Raises `UploadNotFound`, also where the bytes that came have another digest."""


class ArtifactStore(ABC):
    """Keeps the files that runs left, by run and content. They are forgotten with their run."""

    @abstractmethod
    async def put(self, run_id: str, content: bytes) -> str:
        """Keep the bytes with the run, and return their digest. Idempotent; atomic; on disk when this returns."""

    @abstractmethod
    async def get(self, run_id: str, digest: str) -> bytes:
        """Return the bytes. Raises `ArtifactNotFound`; `CodeCorrupt` where they no longer match the digest."""

    @abstractmethod
    async def download_address(self, run_id: str, digest: str, disposition: str) -> str | None:
        """A URL from which a browser saves the bytes as `disposition` says, for a while; None where only `get` will do.

        Raises `ArtifactNotFound`.
        """

    @abstractmethod
    async def forget(self, run_ids: list[str]) -> None:
        """Remove what these runs left. Idempotent."""


class Registry(ABC):
    """Keeps functions: one record per function, one immutable record per version of it.

    Names are each tenant's own. What another tenant has is not found, and not told from what never was.
    """

    @abstractmethod
    async def create(self, function: Function) -> None:
        """Add a function with its first version. Atomic. Raises `NameTaken`."""

    @abstractmethod
    async def update(self, function: Function) -> None:
        """Add the version `function.version` and make it the latest, if the latest is the one before it.

        Atomic compare-and-set: of two racing updates one raises `RevisionConflict`. Raises `FunctionNotFound`.
        """

    @abstractmethod
    async def get(self, reference: str, version: int | None = None, *, tenant: str = DEFAULT_TENANT) -> Function:
        """The tenant's function with that id or name, at that version or the latest. Raises `FunctionNotFound`."""

    @abstractmethod
    async def list_functions(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[Function]:
        """The tenant's latest versions in order of name, from the cursor on; reads no more than the page.

        Raises `MalformedRequest` for a cursor that this registry did not make.
        """

    @abstractmethod
    async def versions(self, function_id: str) -> list[Function]:
        """All versions, latest first. Raises `FunctionNotFound`."""

    @abstractmethod
    async def delete(self, function_id: str) -> list[str]:
        """Remove the function and its versions; its name is free at once. Raises `FunctionNotFound`.

        Returns the code digests that no function uses any more.
        """

    @abstractmethod
    async def uses(self, code_sha256: str) -> bool:
        """Whether any version of any function has this code."""


class RunStore(ABC):
    """The durable record of runs. The first terminal outcome wins; nothing changes it afterwards."""

    @abstractmethod
    async def accept(self, run: Run, *, durable: bool, idempotency: tuple[str, str] | None = None) -> Run:
        """Record a queued run with its input, and return it.

        `idempotency` is the caller's key and the digest of the body: the same pair returns the run that it made the
        first time (another `run_id` than the one given tells); the same key with another digest raises
        `IdempotencyConflict`. Atomic under any number of racing calls. With `durable` the record is on disk before
        this returns; without, the backend may write it later, see `persist`.
        """

    @abstractmethod
    async def withdraw(self, run_id: str) -> None:
        """Forget a run that was accepted but could not be sent; its idempotency key is free again. Idempotent."""

    @abstractmethod
    async def persist(self, run_id: str) -> None:
        """Return when all that is known of the run is on disk. Idempotent. Raises `RunNotFound`."""

    @abstractmethod
    async def start(self, run_id: str, attempt: int) -> Run:
        """Mark the run as running under this attempt, and return it.

        Raises `RunEnded` where it has ended or a later attempt has begun; `RunNotFound`.
        """

    @abstractmethod
    async def finish(self, run_id: str, attempt: int, outcome: Outcome) -> Run:
        """Store the outcome of this attempt, and return the run with it.

        Atomic. Fenced: raises `RunEnded` where the run has ended, or where a later attempt than this one has begun.
        An outcome whose status is `queued` ends the attempt only: the run waits for its next try, the error so far
        kept and `retried` one higher. Raises `RunNotFound`.
        """

    @abstractmethod
    async def get(self, run_id: str) -> Run:
        """The run in full, with its input. Raises `RunNotFound`: an unknown run is never "pending"."""

    @abstractmethod
    async def list_runs(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        function_id: str | None = None,
        status: RunStatus | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """The tenant's runs without their inputs, newest first, from the cursor on; reads no more than the page.

        Raises `MalformedRequest` for a cursor that this store did not make.
        """

    @abstractmethod
    async def reopen(self, run_id: str) -> Run:
        """Make a dead run queued again, and return it with its input. Atomic.

        Raises `RunEnded` where it is not dead; `RunNotFound`.
        """


class RecordStore(ABC):
    """Small named records, such as keys, aliases and secrets: whoever changes one says which revision he saw.

    A kind is a lower-case word; a name is 1 to 512 visible ASCII characters; a value is up to 128 KiB of JSON. A
    revision is an opaque text that never comes again, not even when a name is used anew. Every method raises
    `InvalidField` for a kind, name or value that is none.
    """

    @abstractmethod
    async def get(self, kind: str, name: str) -> StoredRecord | None:
        """The record of that kind and name as it is now; None where there is none."""

    @abstractmethod
    async def put(self, kind: str, name: str, value: Raw, *, revision: str | None) -> StoredRecord:
        """Store the value if the record is at this revision (None: if there is none), and return it with its next.

        Atomic compare-and-set, on disk when this returns: of racing calls one raises `RevisionConflict`.
        """

    @abstractmethod
    async def delete(self, kind: str, name: str, *, revision: str | None = None) -> None:
        """Forget the record. Idempotent: an absent one is no error.

        With a revision it is forgotten at that revision only. Atomic; raises `RevisionConflict` where it has another.
        """

    @abstractmethod
    async def list_records(
        self, kind: str, *, prefix: str = "", limit: int, cursor: str | None = None
    ) -> Page[StoredRecord]:
        """The records of that kind whose names begin so, in order of name, from the cursor on.

        Reads no more than the page. Raises `MalformedRequest` for a cursor that this store did not make.
        """


class Vault(ABC):
    """Seals what must not be read where it is kept."""

    @abstractmethod
    async def seal(self, value: bytes, *, bound_to: str) -> bytes:
        """The value so that only this vault can read it; sealing it again gives other bytes.

        It opens only where it is said to be bound to the same: one secret's bytes in another's place do not.
        """

    @abstractmethod
    async def unseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """The value that was sealed. Raises `VaultLocked` where the key is away, or does not fit."""

    @abstractmethod
    async def renew_key(self) -> None:
        """Seal under a new key from now on; what was sealed before opens as ever.

        Until `forget_old_keys` a second call changes nothing: a rotation that was interrupted goes on with the same
        key. Atomic, on disk when this returns. A vault whose keys others renew leaves that to them.
        """

    @abstractmethod
    async def reseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """What was sealed, sealed anew under the key of now. Raises `VaultLocked`."""

    @abstractmethod
    async def forget_old_keys(self) -> None:
        """Open nothing any more but what is sealed under the key of now; to be called when all else is resealed.

        Idempotent, atomic. A vault whose keys others keep leaves that to them.
        """


class TaskQueue(ABC):
    """Hands tasks to workers. A task is leased, not given: a lease not extended comes back, and counts as a failure.

    It counts as none where whoever held it was lost before the run's attempt had begun, where the backend can tell: a
    worker that dies takes more tasks along than the one that it died of.

    Functions share the queue fairly: they take turns, however many tasks each has waiting. A function never has more
    tasks leased than its `Task.concurrency` (0: no limit), a tenant no more than its `Task.tenant_concurrency`, where
    the backend can tell.
    """

    @abstractmethod
    async def send(self, task: Task, *, durable: bool, delay_s: float = 0.0) -> None:
        """Put a task on the queue; it can be received after the delay.

        Raises `BacklogFull`, also where `Task.tenant_backlog` of the tenant's tasks are there, if the backend can tell.

        With `durable` the task survives a crash from the moment that this returns.
        """

    @abstractmethod
    async def receive(self, *, limit: int, wait_s: float) -> list[Lease]:
        """Up to `limit` leases, waiting up to `wait_s` for the first; an empty list when none came.

        Safe to cancel: a task is either returned or still on the queue.
        """

    @abstractmethod
    async def extend(self, lease: Lease) -> None:
        """Hold the lease for its full time again, from now. Raises `LeaseLost`."""

    @abstractmethod
    async def ack(self, lease: Lease) -> None:
        """The task is done: forget it. Raises `LeaseLost`, and then takes nothing from who holds it now."""

    @abstractmethod
    async def release(self, lease: Lease, *, delay_s: float = 0.0, failed: bool) -> None:
        """Give the task back, to be received again after the delay. Raises `LeaseLost`.

        `failed` says that the platform failed at it, which counts towards the dead letters. A return without failure
        (a drain, a retry by the function's policy) does not count, where the backend can tell.
        """

    @abstractmethod
    async def depth(self) -> Depth:
        """How many tasks wait (delayed ones included), and how many are leased."""

    @abstractmethod
    async def standing(self, run_id: str) -> Standing | None:
        """Where the run's task stands. None where it is not on the queue, or where the backend cannot tell.

        For a person who asks why a run waits: it may take time in proportion to the tasks that wait.
        """

    @property
    @abstractmethod
    def lease_s(self) -> float:
        """How long a lease is held without `extend`, in seconds."""


class DeadLetters(ABC):
    """Tasks that the platform could not run, kept until somebody looks at them."""

    @abstractmethod
    async def bury(self, lease: Lease, reason: str) -> DeadLetter:
        """Take the task off the queue and keep it with the reason and the lease's `failures`. Atomic.

        Raises `LeaseLost`.
        """

    @abstractmethod
    async def list_letters(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None = None
    ) -> Page[DeadLetter]:
        """The tenant's dead letters, newest first. Raises `MalformedRequest` for a foreign cursor."""

    @abstractmethod
    async def redrive(self, run_id: str) -> None:
        """Put the task back on the queue, its failures forgotten and `enqueued_at` now. Atomic.

        Raises `DeadLetterNotFound`.
        """


class Listener(ABC):
    """Somebody who waits for one run."""

    @abstractmethod
    async def wait(self, timeout_s: float) -> Run | None:
        """The ended run as soon as it is published, if the bus carries it; else None.

        None means "look at the run store": the time is over, the bus is down, or it only says that there is news.
        """


class ResultBus(ABC):
    """Tells whoever waits that a run has ended. A wake-up, not the truth: the run store is the truth."""

    @abstractmethod
    def listen(self, run_id: str) -> AbstractAsyncContextManager[Listener]:
        """Listen until the context ends. A run published after it was entered is never missed."""

    @abstractmethod
    async def publish(self, run: Run) -> None:
        """Wake all who listen for this run. Never raises where the bus is down: they look at the store then."""

    @abstractmethod
    def wake_all(self) -> None:
        """Let everybody who listens in this process look at the run store now; it is about to stop."""

    @abstractmethod
    def cancellations(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Ids of the runs that are published as cancelled, from the moment the context is entered.

        Workers end what they run then. A missed one is noticed at the next heartbeat.
        """


class LogFeed(ABC):
    """Passes log lines on as they are written. What has been missed is in the run store."""

    @abstractmethod
    def publish(self, lines: list[LogLine]) -> None:
        """Pass lines on to whoever follows. Never blocks and never raises.

        Slow followers lose lines, and are told how many.
        """

    @abstractmethod
    def follow(self, function_id: str) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        """Lines of the function from the moment the context is entered."""


class FastPath(ABC):
    """Runs what needs no queue: plain synchronous runs, where worker and caller are in one process."""

    @abstractmethod
    async def run(self, task: Task, function: Function, *, wait_s: float) -> Run | None:
        """The ended run, stored and published; or None where the queue's way must be taken, now as before.

        The run has been accepted, and its task not been sent. Whoever calls waits for `wait_s` seconds: what could
        take longer, what would overtake a task that waits, and what the platform fails at is for the queue.
        """


class Acceptance(ABC):
    """Accepts what is promised, where run store and task queue share a disk and can share a commit."""

    @abstractmethod
    async def accept(self, run: Run, task: Task) -> None:
        """Record a queued run and send its task, which can be received from now on; both survive a crash.

        Where it fails there is no run; a task that is left alone is let go by whoever takes it. Safe to cancel: what
        has been begun is brought to its end. Raises `BacklogFull`.
        """
