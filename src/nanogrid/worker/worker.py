"""Takes tasks, runs them in sandboxes, publishes outcomes.

The order is the promise: store before publish, publish before ack. Leases are extended by one heartbeat for all; who
loses a lease ends what it runs, and its late outcome is refused by the store.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from functools import partial

from msgspec import structs

from nanogrid.clock import Clock
from nanogrid.errors import FunctionNotFound, LeaseLost, PlatformError, RunEnded, RunNotFound, StoreUnavailable
from nanogrid.model import (
    MAX_PLATFORM_FAILURES,
    ErrorKind,
    Function,
    Lease,
    Outcome,
    Run,
    RunError,
    RunStatus,
    Task,
    Usage,
)
from nanogrid.observe import Log, Metrics
from nanogrid.ports import (
    DeadLetters,
    LogFeed,
    Outlet,
    Registry,
    Reply,
    ResultBus,
    RunStore,
    SandboxPool,
    TaskQueue,
)
from nanogrid.worker.attempts import Attempts
from nanogrid.worker.auto_memory import AutoMemory
from nanogrid.worker.direct import DirectRuns
from nanogrid.worker.outcomes import outcome_of
from nanogrid.worker.retry_policy import MOST_ABSENCES, expired, is_too_old, next_pause_s, postponement_s
from nanogrid.worker.warming import warm_successor

#: How long one `receive` waits before it asks again, in seconds.
_RECEIVE_WAIT_S = 20.0
#: How long an outcome waits before it is offered again to a store that is away, in seconds.
_STORE_AWAY_S = 1.0


class Worker:
    """The box between task queue and sandboxes."""

    def __init__(
        self,
        registry: Registry,
        run_store: RunStore,
        task_queue: TaskQueue,
        dead_letters: DeadLetters,
        result_bus: ResultBus,
        log_feed: LogFeed,
        pool: SandboxPool,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        *,
        max_running: int,
        outlet: Outlet | None = None,
        direct: DirectRuns | None = None,
        receive_wait_s: float = _RECEIVE_WAIT_S,
    ) -> None:
        """`max_running` is how many tasks it holds at once; `direct` has the runs of its process that are no tasks.

        `receive_wait_s` is how long it waits for a task before it asks again.
        Without `outlet` the files that runs leave are thrown away.
        """
        self._registry = registry
        self._run_store = run_store
        self._task_queue = task_queue
        self._dead_letters = dead_letters
        self._result_bus = result_bus
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._max_running = max_running
        self._direct = direct
        self._receive_wait_s = receive_wait_s
        self._memory = AutoMemory(registry, clock, log, warm_successor=partial(warm_successor, pool, clock))
        self._attempts = Attempts(run_store, log_feed, pool, clock, self._memory, outlet=outlet)
        # What it works on: run id -> lease and the asyncio task that holds it.
        self._held: dict[str, tuple[Lease, asyncio.Task[None]]] = {}
        # Receipts of leases whose run was cancelled.
        self._cancelled: set[str] = set()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Take and run tasks until cancelled; what is held then goes on until `drain`."""
        if self._direct is not None:
            self._direct.open = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._heartbeat())
            group.create_task(self._watch_cancellations())
            group.create_task(self._take_tasks())

    async def drain(self, grace_s: float) -> int:
        """Let what runs end within the grace, give the rest back to the queue; how many were given back.

        Leases are extended meanwhile: a grace may be longer than a lease. Safe to cancel, and to call again.
        """
        direct = asyncio.create_task(self._direct.drain(grace_s)) if self._direct else None
        tasks = [task for _, task in self._held.values()]
        if tasks:
            heartbeat = asyncio.create_task(self._heartbeat())
            try:
                await asyncio.wait(tasks, timeout=grace_s)
            finally:
                heartbeat.cancel()
        if direct is not None:
            await direct
        rest = [(lease, task) for lease, task in self._held.values() if not task.done()]
        for _, task in rest:
            task.cancel()
        await asyncio.gather(*(task for _, task in rest), return_exceptions=True)
        for lease, _ in rest:
            with contextlib.suppress(LeaseLost):
                await self._task_queue.release(lease, failed=False)
        return len(rest)

    async def _take_tasks(self) -> None:
        while True:
            await self._room.wait()
            try:
                leases = await self._receive()
            except PlatformError as exc:
                self._log.error("worker.receive_failed", error=str(exc))
                await self._clock.sleep(1.0)
                continue
            full = [lease for lease in leases if not self._taken(lease)]
            for lease in full:
                await self._postpone(lease)

    @property
    def held(self) -> int:
        """How many tasks it works on."""
        return len(self._held)

    def _is_full(self, task: Task) -> bool:
        """Whether this worker runs as much of the function as it may: not every queue sees to that."""
        if not task.concurrency:
            return False
        others = (lease.task for lease, _ in self._held.values() if lease.task.run_id != task.run_id)
        return sum(other.function_id == task.function_id for other in others) >= task.concurrency

    def _taken(self, lease: Lease) -> bool:
        if self._is_full(lease.task):
            return False
        self._hold(lease)
        return True

    async def _postpone(self, lease: Lease) -> None:
        try:
            await self._task_queue.release(lease, delay_s=postponement_s(lease.attempt), failed=False)
        except PlatformError as exc:
            # The lease runs out by itself then, and the task comes back.
            self._log.warning("worker.postpone_failed", run_id=lease.task.run_id, error=str(exc))

    async def _receive(self) -> list[Lease]:
        """The next tasks; where there may be more of them, no run that is no task shall overtake them."""
        limit = self._max_running - len(self._held)
        leases = await self._task_queue.receive(limit=limit, wait_s=self._receive_wait_s)
        if self._direct is not None:
            self._direct.open = len(leases) < limit
        return leases

    def _hold(self, lease: Lease) -> None:
        run_id = lease.task.run_id
        earlier = self._held.get(run_id)
        if earlier is not None:
            # Its lease ran out unnoticed, or the task were not here again: whatever it does is for nothing.
            earlier[1].cancel()
        task = asyncio.create_task(self._work(lease))
        self._held[run_id] = (lease, task)
        if len(self._held) >= self._max_running:
            self._room.clear()

    async def _work(self, lease: Lease) -> None:
        """One lease from start to end: every way out has answered for the run or given the task back."""
        run_id = lease.task.run_id
        try:
            await self._answer_for(lease)
        except LeaseLost:
            self._log.warning("worker.lease_lost", run_id=run_id, attempt=lease.attempt)
        except StoreUnavailable as exc:
            await self._wait_for_store(lease, exc)
        except PlatformError as exc:
            await self._platform_failed(lease, exc)
        except asyncio.CancelledError:
            if lease.receipt not in self._cancelled:
                raise
            await self._ack(lease)
        except Exception as exc:  # noqa: BLE001 - the loop's top: a fault of ours must not lose the task
            await self._platform_failed(lease, PlatformError(f"{type(exc).__name__}: {exc}"))
        finally:
            self._cancelled.discard(lease.receipt)
            if self._held[run_id][0] is lease:
                del self._held[run_id]
            self._room.set()

    async def _answer_for(self, lease: Lease) -> None:
        try:
            await self._attempt(lease)
        except (RunEnded, RunNotFound):
            await self._let_go(lease)

    async def _let_go(self, lease: Lease) -> None:
        """The run wants no attempt: it was withdrawn, or has ended, or a later attempt has it.

        Whoever ended it may have died before he could tell, so it is told again.
        """
        try:
            run = await self._run_store.get(lease.task.run_id)
        except RunNotFound:
            await self._ack(lease)
            return
        if run.status is RunStatus.DEAD:
            # Either it is being redriven, and will be open in a moment; or that stopped halfway, and it goes back.
            await self._give_back(lease, "the run is dead, and was not reopened")
            return
        if run.status in (RunStatus.SUCCEEDED, RunStatus.FAILED):
            await self._result_bus.publish(run)
        await self._ack(lease)

    async def _attempt(self, lease: Lease) -> None:
        task = lease.task
        if lease.failures >= MAX_PLATFORM_FAILURES:
            await self._bury(lease, "its worker or lease was lost each time")
            return
        try:
            function = await self._registry.get(task.function_id, task.version, tenant=task.tenant)
        except FunctionNotFound:
            await self._finish(lease, _deleted(task.function_id))
            return
        if is_too_old(task, function, self._clock.now()):
            await self._finish(lease, expired(await self._run_store.get(task.run_id), function))
            return
        made = await self._attempts.make(task, lease.attempt, function)
        await self._conclude(lease, function, made.run, made.reply, made.usage)
        if made.usage.raised_memory_mb:
            await self._memory.keep(task, made.usage.raised_memory_mb)

    async def _conclude(self, lease: Lease, function: Function, run: Run, reply: Reply, usage: Usage) -> None:
        """Answer for the attempt: with its outcome, or by another try where the function's policy has one left."""
        error = reply.error
        # Not to be secret, only to be different each time.
        chance = random.random()  # noqa: S311
        task, now = lease.task, self._clock.now()
        pause_s = None if error is None else next_pause_s(task, function, run.retried, now, chance)
        if pause_s is not None:
            again = Outcome(
                status=RunStatus.QUEUED, error=error, logs=reply.logs, artifacts=reply.artifacts, usage=usage
            )
            await self._store(lease, again)
            await self._task_queue.release(lease, delay_s=pause_s, failed=False)
            return
        await self._finish(lease, outcome_of(reply, usage))

    async def _finish(self, lease: Lease, outcome: Outcome) -> None:
        """Store, publish, ack: in this order, so that whoever is woken finds the truth, and no ack loses a result."""
        run = await self._store(lease, outcome)
        await self._result_bus.publish(run)
        await self._ack(lease)
        self._metrics.count_run(outcome)

    async def _store(self, lease: Lease, outcome: Outcome) -> Run:
        """Store the outcome. While the store is away it is kept: running the function again would repair nothing."""
        while True:
            try:
                return await self._run_store.finish(lease.task.run_id, lease.attempt, outcome)
            except StoreUnavailable as exc:
                self._log.warning("worker.store_away", run_id=lease.task.run_id, error=str(exc))
                await self._clock.sleep(_STORE_AWAY_S)

    async def _ack(self, lease: Lease) -> None:
        # A lost lease is harmless here: the outcome is stored, and whoever holds the task now is refused.
        with contextlib.suppress(LeaseLost):
            await self._task_queue.ack(lease)

    async def _wait_for_store(self, lease: Lease, error: StoreUnavailable) -> None:
        """A store that is away is no task's fault: it would bury, in moments, whatever came meanwhile."""
        if lease.attempt > MOST_ABSENCES:
            await self._platform_failed(lease, error)
            return
        self._metrics.platform_failures.inc()
        self._log.warning("worker.store_away", run_id=lease.task.run_id, error=str(error))
        await self._postpone(lease)

    async def _platform_failed(self, lease: Lease, error: PlatformError) -> None:
        """Ours to repair: another try later, and after the fifth failure the dead letters."""
        self._metrics.platform_failures.inc()
        self._log.error(
            "worker.attempt_failed",
            run_id=lease.task.run_id,
            attempt=lease.attempt,
            failures=lease.failures + 1,
            error=str(error),
        )
        try:
            await self._give_back(lease, str(error))
        except (PlatformError, RunEnded, RunNotFound) as exc:
            # The lease runs out by itself then, and the task comes back.
            self._log.error("worker.release_failed", run_id=lease.task.run_id, error=str(exc))

    async def _give_back(self, lease: Lease, reason: str) -> None:
        """Let the task be tried again after a while; after its fifth failure it goes to the dead letters."""
        if lease.failures + 1 >= MAX_PLATFORM_FAILURES:
            await self._bury(structs.replace(lease, failures=lease.failures + 1), reason)
        else:
            await self._task_queue.release(lease, delay_s=0.1 * 4**lease.failures, failed=True)

    async def _bury(self, lease: Lease, reason: str) -> None:
        message = f"The platform failed {MAX_PLATFORM_FAILURES} times at this run; the last reason: {reason}"
        error = RunError(kind=ErrorKind.PLATFORM, type="DeadLetter", message=message)
        outcome = Outcome(status=RunStatus.DEAD, error=error)
        try:
            run = await self._store(lease, outcome)
            self._metrics.count_run(outcome)
        except RunEnded:
            run = await self._run_store.get(lease.task.run_id)
            if run.status is not RunStatus.DEAD:
                raise
            # Whoever declared it dead did not come to its letter.
        await self._run_store.persist(lease.task.run_id)
        await self._result_bus.publish(run)
        await self._dead_letters.bury(lease, reason)

    async def _heartbeat(self) -> None:
        """Extend every lease at a third of its time; end what is no longer ours, or cancelled behind our back."""
        while True:
            await self._clock.sleep(self._task_queue.lease_s / 3)
            # Together, so that a queue elsewhere can be asked in batches.
            await asyncio.gather(*(self._extend(lease, task) for lease, task in list(self._held.values())))

    async def _extend(self, lease: Lease, task: asyncio.Task[None]) -> None:
        run_id = lease.task.run_id
        try:
            await self._task_queue.extend(lease)
            run = await self._run_store.get(run_id)
            if run.status is RunStatus.CANCELLED:
                self._cancel(run_id)
        except LeaseLost:
            task.cancel()
        except (PlatformError, RunNotFound) as exc:
            self._log.warning("worker.heartbeat_failed", run_id=run_id, error=str(exc))

    async def _watch_cancellations(self) -> None:
        async with self._result_bus.cancellations() as run_ids:
            await self._cancel_each(run_ids)

    async def _cancel_each(self, run_ids: AsyncIterator[str]) -> None:
        async for run_id in run_ids:
            self._cancel(run_id)
            if self._direct is not None:
                await self._direct.cancel(run_id)

    def _cancel(self, run_id: str) -> None:
        held = self._held.get(run_id)
        if held is not None:
            self._cancelled.add(held[0].receipt)
            held[1].cancel()


def _deleted(function_id: str) -> Outcome:
    message = f"The function {function_id} was deleted before this run could start."
    return Outcome(
        status=RunStatus.FAILED,
        error=RunError(kind=ErrorKind.FUNCTION_DELETED, type="FunctionDeleted", message=message),
    )
