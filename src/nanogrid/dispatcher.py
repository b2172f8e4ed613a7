"""Turns a request to run into a task, waits for its outcome, answers for its state.

The order is the promise: accept before 202, listen before send. A run that was only ever waited for has promised
nothing to anybody else, so its record may reach the disk after the answer; where the wait runs out it is on disk first.
"""

from collections.abc import Awaitable, Callable

from msgspec import UNSET, Raw, structs

from nanogrid.clock import Clock
from nanogrid.errors import DeadLetterNotFound, PlatformError, RunEnded, RunNotFound, TooManyRequests
from nanogrid.identifiers import new_run_id
from nanogrid.model import (
    DEFAULT_TENANT,
    DeadLetter,
    Depth,
    ErrorKind,
    Function,
    Mode,
    Outcome,
    Quota,
    Run,
    RunError,
    RunStatus,
    Standing,
    Task,
    Trigger,
)
from nanogrid.ports import Acceptance, DeadLetters, FastPath, Page, Registry, ResultBus, RunStore, TaskQueue
from nanogrid.quotas import UNLIMITED

#: Fences everything off: no attempt is later than this.
_LAST_ATTEMPT = 2**31 - 1
#: From accepting a run to sending its task takes no process longer, in seconds: API Gateway gives up sooner.
_ACCEPTING_S = 30.0
#: The tenant's version that a qualified name means. Raises `FunctionNotFound`.
Resolve = Callable[[str, str], Awaitable[Function]]


class Dispatcher:
    """The box between the API and run store, task queue and result bus."""

    def __init__(
        self,
        registry: Registry,
        run_store: RunStore,
        task_queue: TaskQueue,
        dead_letters: DeadLetters,
        result_bus: ResultBus,
        clock: Clock,
        *,
        max_wait_s: float,
        fast_path: FastPath | None = None,
        acceptance: Acceptance | None = None,
        admit_run: Callable[[str], Quota] = lambda _: UNLIMITED,
        resolve: Resolve | None = None,
        sends_again: bool = False,
    ) -> None:
        """`max_wait_s` bounds how long any request waits for a run; without `fast_path` all go over the queue.

        Without `acceptance` a promise is written in two steps: the run, then its task.
        `admit_run` gives the quota under which one more run of a tenant may begin, or raises `RunQuotaReached`.
        `resolve` finds what a name with a version or an alias behind a colon means. `sends_again` is for a process that
        can end between the run and its task while nobody takes such runs up at the next start.
        """
        self._registry = registry
        self._run_store = run_store
        self._task_queue = task_queue
        self._dead_letters = dead_letters
        self._result_bus = result_bus
        self._clock = clock
        self._max_wait_s = max_wait_s
        self._fast_path = fast_path
        self._acceptance = acceptance
        self._admit_run = admit_run
        self._resolve = resolve
        self._sends_again = sends_again

    async def run(
        self,
        reference: str,
        input: Raw,  # noqa: A002 - the API's word
        *,
        mode: Mode,
        tenant: str = DEFAULT_TENANT,
        wait_s: float | None = None,
        idempotency: tuple[str, str] | None = None,
        traceparent: str = "",
        trigger: Trigger | None = None,
        run_id: str | None = None,
    ) -> Run:
        """Run the function, and return the ended run; or the run as it stands when the wait is over.

        `wait_s` is how long to wait at most, None as long as allowed; an asynchronous run is not waited for.
        `idempotency` is the caller's key and the body's digest, `traceparent` what trace the run belongs to, `trigger`
        what made it where that is no request, `run_id` an id that was made for it. Raises
        `FunctionNotFound`, `BacklogFull`, `RunQuotaReached`, `IdempotencyConflict`.
        """
        function = await self._meant(reference, tenant)
        quota = self._admit_run(tenant)
        wait_s = 0.0 if mode is Mode.ASYNC else self._bounded(wait_s)
        durable = wait_s <= 0 or idempotency is not None
        queued = self._queued(function, input, mode, trigger, run_id or new_run_id())
        if wait_s <= 0 and idempotency is None and self._acceptance is not None:
            await self._acceptance.accept(queued, _task(queued, function, input, quota, traceparent))
            return structs.replace(queued, input=UNSET)
        if idempotency is not None and tenant != DEFAULT_TENANT:
            # Each tenant's keys are its own; a space is in no key.
            idempotency = f"{tenant} {idempotency[0]}", idempotency[1]
        run = await self._run_store.accept(queued, durable=durable, idempotency=idempotency)
        task = _task(run, function, input, quota, traceparent)
        if run.run_id != queued.run_id:
            return await self._asked_again(run, task, wait_s)
        if wait_s <= 0:
            await self._send(task, durable=durable)
            return structs.replace(run, input=UNSET)
        # Only what has promised nothing to anybody but who waits: it may be gone with this process.
        if not durable and self._fast_path is not None:
            ended = await self._fast_path.run(task, function, wait_s=wait_s)
            if ended is not None:
                return ended
        return await self._over_the_queue(task, wait_s, durable=durable)

    async def get(self, run_id: str, *, tenant: str = DEFAULT_TENANT, wait_s: float = 0.0) -> Run:
        """The run in full; with `wait_s`, as soon as it has ended or when the time is over. Raises `RunNotFound`."""
        if wait_s <= 0:
            return await self._of(tenant, run_id)
        async with self._result_bus.listen(run_id) as listener:
            run = await self._of(tenant, run_id)
            if not run.status.ended:
                await listener.wait(self._bounded(wait_s))
                run = await self._of(tenant, run_id)
        return run

    async def in_queue(self, run_id: str) -> tuple[Depth, Standing | None]:
        """How full the task queue is, and where the run's task stands on it, as far as the backend can tell."""
        return await self._task_queue.depth(), await self._task_queue.standing(run_id)

    async def list_runs(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        reference: str | None,
        status: RunStatus | None,
        limit: int,
        cursor: str | None,
    ) -> Page[Run]:
        """Runs, newest first, of one function or all. Raises `FunctionNotFound`, `MalformedRequest`."""
        function_id = (await self._registry.get(reference, tenant=tenant)).function_id if reference else None
        return await self._run_store.list_runs(
            tenant=tenant, function_id=function_id, status=status, limit=limit, cursor=cursor
        )

    async def cancel(self, run_id: str, *, tenant: str = DEFAULT_TENANT) -> Run:
        """End a queued or running run as cancelled. Raises `RunEnded` where it has another outcome; `RunNotFound`."""
        await self._of(tenant, run_id)
        error = RunError(kind=ErrorKind.CANCELLED, type="Cancelled", message="The run was cancelled on request.")
        outcome = Outcome(status=RunStatus.CANCELLED, error=error)
        try:
            run = await self._run_store.finish(run_id, _LAST_ATTEMPT, outcome)
        except RunEnded:
            run = await self._run_store.get(run_id)
            if run.status is not RunStatus.CANCELLED:
                raise
            return structs.replace(run, input=UNSET)
        await self._result_bus.publish(run)
        return run

    async def list_dead_letters(
        self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None
    ) -> Page[DeadLetter]:
        """What the platform could not run, newest first."""
        return await self._dead_letters.list_letters(tenant=tenant, limit=limit, cursor=cursor)

    async def redrive(self, run_id: str, *, tenant: str = DEFAULT_TENANT) -> Run:
        """Give a dead run another try. Raises `DeadLetterNotFound`, `RunEnded`, `RunNotFound`."""
        await self._of(tenant, run_id)
        # The task before the run: a worker that is faster than the reopening gives the task back, and where the
        # reopening never comes it ends as a dead letter again. The other way round leaves a run that nobody will run.
        try:
            await self._dead_letters.redrive(run_id)
        except DeadLetterNotFound:
            run = await self._run_store.get(run_id)
            if run.status is RunStatus.DEAD:
                raise
            raise RunEnded(f"the run {run_id} is {run.status}.", hint="Only a dead run can be redriven.") from None
        return structs.replace(await self._run_store.reopen(run_id), input=UNSET)

    async def _of(self, tenant: str, run_id: str) -> Run:
        """The tenant's run. Raises `RunNotFound`, for what is somebody else's just as for what never was."""
        try:
            run = await self._run_store.get(run_id)
        except RunNotFound as exc:
            raise no_run(run_id) from exc
        if run.tenant != tenant:
            raise no_run(run_id)
        return run

    def _queued(self, function: Function, input_: Raw, mode: Mode, trigger: Trigger | None, run_id: str) -> Run:
        return Run(
            run_id=run_id,
            function_id=function.function_id,
            function_name=function.name,
            tenant=function.tenant,
            version=function.version,
            status=RunStatus.QUEUED,
            mode=mode,
            created_at=self._clock.now(),
            input=input_,
            trigger=UNSET if trigger is None else trigger,
        )

    async def _over_the_queue(self, task: Task, wait_s: float, *, durable: bool) -> Run:
        async with self._result_bus.listen(task.run_id) as listener:
            await self._send(task, durable=durable)
            ended = await listener.wait(wait_s)
        return ended or await self._unfinished(task.run_id)

    async def _meant(self, reference: str, tenant: str) -> Function:
        if ":" in reference and self._resolve is not None:
            return await self._resolve(reference, tenant)
        return await self._registry.get(reference, tenant=tenant)

    async def _asked_again(self, run: Run, task: Task, wait_s: float) -> Run:
        """The run to which an idempotency key has led."""
        if self._sends_again and self._is_left(run):
            await self._task_queue.send(task, durable=True)
        return await self.get(run.run_id, tenant=task.tenant, wait_s=wait_s)

    def _is_left(self, run: Run) -> bool:
        """Whether who accepted the run may have died before its task was sent.

        If it only waits for its turn there are two tasks then: the first attempt fences the other one off.
        """
        waiting_s = (self._clock.now() - run.created_at).total_seconds()
        return run.status is RunStatus.QUEUED and run.attempt == 0 and waiting_s > _ACCEPTING_S

    async def _send(self, task: Task, *, durable: bool) -> None:
        """Put a run's task on the queue; where that fails, nothing of the run stays."""
        try:
            await self._task_queue.send(task, durable=durable)
        except (TooManyRequests, PlatformError):
            # Else its idempotency key would lead to a run that nobody will run.
            await self._run_store.withdraw(task.run_id)
            raise

    async def _unfinished(self, run_id: str) -> Run:
        """The wait is over: whatever is known goes to disk before anybody is told to come back for it."""
        await self._run_store.persist(run_id)
        return structs.replace(await self._run_store.get(run_id), input=UNSET)

    def _bounded(self, wait_s: float | None) -> float:
        return self._max_wait_s if wait_s is None else min(wait_s, self._max_wait_s)


def _task(run: Run, function: Function, input_: Raw, quota: Quota, traceparent: str) -> Task:
    return Task(
        run_id=run.run_id,
        function_id=run.function_id,
        version=run.version,
        mode=run.mode,
        input=input_,
        enqueued_at=run.created_at,
        concurrency=function.concurrency,
        tenant=function.tenant,
        tenant_concurrency=quota.concurrent_runs,
        tenant_backlog=quota.backlog,
        traceparent=traceparent,
    )


def no_run(run_id: str) -> RunNotFound:
    """The error for a run that is not there, or not the caller's."""
    return RunNotFound(f"no run has the id {run_id[:80]!r}.", hint="Old runs are forgotten in time.")
