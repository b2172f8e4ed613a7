"""One attempt at a run: in a sandbox, and in a second one with more memory where the first had too little.

Both tries belong to one lease and one attempt, so that the fence knows of one only, and one outcome is stored.
"""

from typing import NamedTuple

from msgspec import structs

from nanogrid.clock import Clock, milliseconds
from nanogrid.model import Function, Run, RunError, Task, Usage
from nanogrid.ports import Claim, Invocation, LogFeed, Outlet, Reply, RunStore, SandboxPool
from nanogrid.worker.auto_memory import AutoMemory
from nanogrid.worker.live_lines import LiveLines
from nanogrid.worker.outcomes import usage_of


class Made(NamedTuple):
    """What an attempt has come to."""

    #: As it began.
    run: Run
    reply: Reply
    usage: Usage


class Attempts:
    """Claims sandboxes, and runs tasks in them."""

    def __init__(
        self,
        run_store: RunStore,
        log_feed: LogFeed,
        pool: SandboxPool,
        clock: Clock,
        memory: AutoMemory,
        *,
        outlet: Outlet | None = None,
    ) -> None:
        """`memory` says what memory a version really needs; `outlet` takes what a run hands out before its end."""
        self._run_store = run_store
        self._log_feed = log_feed
        self._pool = pool
        self._clock = clock
        self._memory = memory
        self._outlet = outlet

    async def make(self, task: Task, attempt: int, function: Function) -> Made:
        """Run the task. Raises `RunEnded`, and what claiming and calling a sandbox raise."""
        sized = self._memory.sized(function)
        made = await self._once(task, attempt, sized, None)
        larger = self._memory.raised(sized, made.reply.error, task.run_id)
        if larger is not None:
            made = await self._once(task, attempt, larger, made.run)
        final_mb = (larger or sized).memory_mb
        if final_mb == function.memory_mb:
            return made
        return made._replace(usage=structs.replace(made.usage, raised_memory_mb=final_mb))

    async def _once(self, task: Task, attempt: int, function: Function, begun: Run | None) -> Made:
        """`begun` is the run where it has begun already."""
        asked_at = self._clock.monotonic()
        claim = await self._pool.acquire(function)
        if isinstance(claim, RunError):
            run = begun or await self._run_store.start(task.run_id, attempt)
            spent = milliseconds(self._clock.monotonic() - asked_at)
            return Made(run, Reply(error=claim), Usage(cold_start=True, init_ms=spent))
        return await self._in_sandbox(task, attempt, function, claim, begun)

    async def _in_sandbox(self, task: Task, attempt: int, function: Function, claim: Claim, begun: Run | None) -> Made:
        lines = LiveLines(self._log_feed, self._clock, task.run_id, task.function_id)
        try:
            run = begun or await self._run_store.start(task.run_id, attempt)
            call = Invocation(
                run_id=task.run_id,
                attempt=attempt,
                input=task.input,
                timeout_ms=function.timeout_ms,
                traceparent=task.traceparent,
            )
            reply = await claim.sandbox.invoke(call, lines, self._outlet)
        finally:
            self._pool.release(claim)
            lines.end()
        return Made(run, reply, usage_of(reply, claim, run, task.enqueued_at))
