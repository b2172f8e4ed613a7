"""Opens everything that one machine offers behind the ports."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nanogrid.backends.local.acceptance import LocalAcceptance
from nanogrid.backends.local.artifact_store import LocalArtifactStore
from nanogrid.backends.local.code_store import LocalCodeStore
from nanogrid.backends.local.database import open_database
from nanogrid.backends.local.dead_letters import LocalDeadLetters
from nanogrid.backends.local.folder_lock import locked_folder
from nanogrid.backends.local.log_feed import LocalLogFeed
from nanogrid.backends.local.record_store import LocalRecordStore
from nanogrid.backends.local.recovery import bury_dead, forget_files, requeue_orphans
from nanogrid.backends.local.registry import LocalRegistry
from nanogrid.backends.local.result_bus import LocalResultBus
from nanogrid.backends.local.run_store import LocalRunStore
from nanogrid.backends.local.schema import shipped_schema
from nanogrid.backends.local.task_journal import TaskJournal
from nanogrid.backends.local.task_queue import LocalTaskQueue
from nanogrid.backends.local.uploads import LocalUploads
from nanogrid.backends.local.vault import LocalVault
from nanogrid.clock import Clock
from nanogrid.ports import (
    Acceptance,
    ArtifactStore,
    CodeStore,
    DeadLetters,
    LogFeed,
    RecordStore,
    Registry,
    ResultBus,
    RunStore,
    TaskQueue,
    Uploads,
    Vault,
)


@dataclass(frozen=True, kw_only=True)
class LocalBackend:
    """One adapter for each port, all on the same data folder."""

    code_store: CodeStore
    uploads: Uploads
    artifact_store: ArtifactStore
    registry: Registry
    run_store: RunStore
    task_queue: TaskQueue
    acceptance: Acceptance
    dead_letters: DeadLetters
    result_bus: ResultBus
    log_feed: LogFeed
    record_store: RecordStore
    vault: Vault


@asynccontextmanager
async def open_local(
    folder: Path,
    clock: Clock,
    *,
    lease_s: float = 30.0,
    max_backlog: int = 100_000,
    max_backlog_bytes: int = 1024**3,
    history_limit: int = 1_000_000,
) -> AsyncIterator[LocalBackend]:
    """The backend on this data folder, which is made where it is missing; all is on disk when the context ends.

    A lease lasts `lease_s` seconds; up to `max_backlog` tasks wait, with `max_backlog_bytes` of input in all;
    `history_limit` ended runs are kept. Raises `ConfigError` where another grid has the folder, or a newer program
    wrote it; `StoreUnavailable` where the disk refuses.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(locked_folder(folder))
        database = await stack.enter_async_context(open_database(folder / "nanogrid.db", shipped_schema()))
        registry = LocalRegistry(database)
        await registry.load()
        artifact_store = LocalArtifactStore(folder / "artifacts")
        stack.push_async_callback(artifact_store.close)
        run_store = LocalRunStore(database, clock, history_limit=history_limit, on_pruned=artifact_store.forget_soon)
        stack.push_async_callback(run_store.close)
        await run_store.load()
        journal = TaskJournal(database)
        stack.push_async_callback(journal.close)
        task_queue = LocalTaskQueue(
            journal, clock, lease_s=lease_s, max_backlog=max_backlog, max_backlog_bytes=max_backlog_bytes
        )
        stack.callback(task_queue.close)
        await task_queue.load()
        await requeue_orphans(registry, run_store, task_queue, journal)
        await bury_dead(registry, run_store, journal)
        await forget_files(artifact_store, run_store)
        yield LocalBackend(
            artifact_store=artifact_store,
            code_store=LocalCodeStore(folder / "code"),
            uploads=LocalUploads(folder / "uploads", clock),
            registry=registry,
            run_store=run_store,
            task_queue=task_queue,
            acceptance=LocalAcceptance(run_store, task_queue),
            dead_letters=LocalDeadLetters(task_queue, journal, clock),
            result_bus=LocalResultBus(),
            log_feed=LocalLogFeed(),
            record_store=LocalRecordStore(database),
            vault=LocalVault(folder / "vault.key"),
        )


@asynccontextmanager
async def open_secrets(folder: Path) -> AsyncIterator[tuple[RecordStore, Vault]]:
    """What a data folder that no grid has holds of sealed records, and the vault; nothing else is looked at."""
    with locked_folder(folder):
        async with open_database(folder / "nanogrid.db", shipped_schema()) as database:
            yield LocalRecordStore(database), LocalVault(folder / "vault.key")
