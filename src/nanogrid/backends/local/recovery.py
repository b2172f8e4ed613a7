"""Runs that a crash left without a task or a letter: their time is not over because a process ended.

There are two ways to be accepted and not on the queue. A caller whose wait ran out was told to come back, so the run
went to disk, but its task lived in memory; or the crash came between accepting a run and sending its task. And a run
whose task lived in memory can be dead without a letter, where the crash came between the two.
"""

import asyncio

from msgspec import Raw

from nanogrid.backends.lanes import QueuedTask
from nanogrid.backends.local.artifact_store import LocalArtifactStore
from nanogrid.backends.local.registry import LocalRegistry
from nanogrid.backends.local.run_store import LocalRunStore
from nanogrid.backends.local.task_journal import TaskJournal
from nanogrid.backends.local.task_queue import LocalTaskQueue
from nanogrid.errors import FunctionNotFound
from nanogrid.model import MAX_PLATFORM_FAILURES, NULL, DeadLetter, Run, Task


async def requeue_orphans(
    registry: LocalRegistry, run_store: LocalRunStore, task_queue: LocalTaskQueue, journal: TaskJournal
) -> int:
    """Put every unfinished run back on the queue that is not there; how many there were."""
    orphans = [run for run in run_store.unfinished() if not task_queue.holds(run.run_id)]
    for run in orphans:
        entry = QueuedTask(await _task(registry, run), durable=True, taken_up=True)
        journal.restore(entry)
        task_queue.admit(entry)
    await journal.flush()
    return len(orphans)


async def bury_dead(registry: LocalRegistry, run_store: LocalRunStore, journal: TaskJournal) -> int:
    """Write a letter for every dead run that has neither one nor a task that leads to one; how many there were."""
    run_ids = await journal.unburied()
    for run_id in run_ids:
        run = await run_store.get(run_id)
        letter = DeadLetter(
            run_id=run_id,
            function_id=run.function_id,
            tenant=run.tenant,
            reason=run.error.message if run.error else "",
            failures=MAX_PLATFORM_FAILURES,
            buried_at=run.ended_at or run.created_at,
        )
        entry = QueuedTask(await _task(registry, run), durable=True, attempt=run.attempt)
        await journal.bury(entry, letter, _nobody_waits)
    return len(run_ids)


async def forget_files(artifact_store: LocalArtifactStore, run_store: LocalRunStore) -> int:
    """Remove the files of runs that are not known any more; of how many there were any."""
    run_ids = await run_store.unknown(await artifact_store.run_ids())
    await artifact_store.forget(run_ids)
    return len(run_ids)


def _nobody_waits(_: asyncio.Future[None]) -> None:
    """The task is not on the queue: whatever became of the letter, there is nothing to put back."""


async def _task(registry: LocalRegistry, run: Run) -> Task:
    try:
        concurrency = (await registry.get(run.function_id, run.version, tenant=run.tenant)).concurrency
    except FunctionNotFound:
        # The worker ends it with the error that says so.
        concurrency = 0
    return Task(
        run_id=run.run_id,
        function_id=run.function_id,
        version=run.version,
        mode=run.mode,
        input=run.input if isinstance(run.input, Raw) else NULL,
        enqueued_at=run.created_at,
        concurrency=concurrency,
        tenant=run.tenant,
    )
