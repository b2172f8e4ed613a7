"""The fast path: a plain synchronous run on a warm sandbox, in its caller's own task.

Over the queue a run changes hands four times: caller, queue, worker, bus, caller. Each change is a turn of the event
loop, and where nothing waits nobody is helped by it. So what the worker would do is done here by the caller, step for
step: start, invoke, store, publish. There is no lease: the run is nobody else's, and ends with this process at the
latest.

Whatever is out of the ordinary takes the way over the queue, which remains the only one for it.
"""

import asyncio

from nanogrid.clock import Clock
from nanogrid.errors import RunEnded
from nanogrid.model import Function, Run, Task
from nanogrid.observe import Log, Metrics
from nanogrid.ports import Claim, FastPath, Invocation, LogFeed, Outlet, ResultBus, RunStore, SandboxPool
from nanogrid.worker.live_lines import LiveLines
from nanogrid.worker.outcomes import outcome_of, usage_of

#: The first attempt is the only one here: the second is the queue's.
_ATTEMPT = 1
#: A run must be over by its own clock so long before its caller's wait is, in seconds: he can't leave without it.
_MARGIN_S = 10.0


class DirectRuns(FastPath):
    """The runs of one worker that no task on the queue stands for."""

    def __init__(
        self,
        run_store: RunStore,
        result_bus: ResultBus,
        log_feed: LogFeed,
        pool: SandboxPool,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        *,
        outlet: Outlet | None = None,
    ) -> None:
        """Shut until the worker opens it. Without `outlet` the files that runs leave are thrown away."""
        self._run_store = run_store
        self._result_bus = result_bus
        self._log_feed = log_feed
        self._pool = pool
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._outlet = outlet
        self._under_way: dict[str, Claim] = {}
        self._all_over: asyncio.Future[None] | None = None
        #: Whether no task waits for the worker; it says so itself.
        self.open = False

    @property
    def count(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    async def run(self, task: Task, function: Function, *, wait_s: float) -> Run | None:
        """See the port."""
        claim = self._pool.take(function) if self._may_run(task, function, wait_s) else None
        if claim is None:
            return None
        self._under_way[task.run_id] = claim
        try:
            return await self._attempt(task, function, claim)
        except RunEnded:
            return await self._run_store.get(task.run_id)
        except Exception as exc:  # noqa: BLE001 - the top of an attempt: the queue's way is there to try again
            return await self._failed(task, exc)
        finally:
            del self._under_way[task.run_id]
            if self._all_over is not None and not self._under_way:
                self._all_over.set_result(None)
                self._all_over = None

    async def cancel(self, run_id: str) -> None:
        """End the sandbox of a run that has been cancelled, if it is one of these."""
        claim = self._under_way.get(run_id)
        if claim is not None:
            await claim.sandbox.kill()

    async def drain(self, grace_s: float) -> None:
        """Let what runs end within the grace, then end it; whoever waits for it goes over to the queue."""
        self.open = False
        if not self._under_way:
            return
        all_over = self._all_over = self._all_over or asyncio.get_running_loop().create_future()
        await asyncio.wait([all_over], timeout=grace_s)
        await asyncio.gather(*(claim.sandbox.kill() for claim in list(self._under_way.values())))
        await asyncio.shield(all_over)

    def _may_run(self, task: Task, function: Function, wait_s: float) -> bool:
        # The pool knows the function's limit on runs at once; a tenant's limits are the queue's to keep.
        limited = task.tenant_concurrency or task.tenant_backlog
        # Nor may a run that may have to be tried again, with more memory, outlast its caller's wait.
        limited = limited or function.auto_memory_mb
        return self.open and not limited and function.timeout_ms / 1000 + _MARGIN_S <= wait_s

    async def _attempt(self, task: Task, function: Function, claim: Claim) -> Run:
        """Start, invoke, store, publish: the worker's order."""
        lines = LiveLines(self._log_feed, self._clock, task.run_id, task.function_id)
        call = Invocation(
            run_id=task.run_id,
            attempt=_ATTEMPT,
            input=task.input,
            timeout_ms=function.timeout_ms,
            traceparent=task.traceparent,
        )
        try:
            started = await self._run_store.start(task.run_id, _ATTEMPT)
            reply = await claim.sandbox.invoke(call, lines, self._outlet)
        finally:
            self._pool.release(claim)
            lines.end()
        outcome = outcome_of(reply, usage_of(reply, claim, started, task.enqueued_at))
        ended = await self._run_store.finish(task.run_id, _ATTEMPT, outcome)
        await self._result_bus.publish(ended)
        self._metrics.count_run(outcome)
        return ended

    async def _failed(self, task: Task, exc: Exception) -> Run | None:
        """Ours to repair, unless the sandbox was ended because the run was cancelled."""
        known = await self._run_store.get(task.run_id)
        if known.status.ended:
            return known
        self._log.warning("worker.direct_failed", run_id=task.run_id, error=f"{type(exc).__name__}: {exc}")
        return None
