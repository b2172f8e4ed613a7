"""A span for each call of a handler, and one for the loading before it."""

from datetime import timedelta

from msgspec import structs

from nanogrid.clock import Clock
from nanogrid.model import Function, RunError
from nanogrid.ports import Claim, Invocation, LogSink, Outlet, Reply, Sandbox, SandboxPool
from nanogrid.telemetry.spans import Attributes, Spans, traceparent_of


class TracedSandbox(Sandbox):
    """A claimed sandbox; what runs in it is told its own span as its parent."""

    def __init__(self, claim: Claim, function: Function, spans: Spans, clock: Clock) -> None:
        """`claim` is the inner one."""
        self.claim = claim
        self._function = function
        self._spans = spans
        self._clock = clock

    async def load(self, function: Function) -> RunError | None:
        """See the port."""
        return await self.claim.sandbox.load(function)

    async def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Reply:
        """See the port."""
        attributes: Attributes = {
            "faas.name": self._function.name,
            "faas.version": str(self._function.version),
            "faas.invocation_id": invocation.run_id,
            "faas.coldstart": self.claim.cold,
        }
        if self.claim.cold:
            began = self._clock.now() - timedelta(milliseconds=self.claim.init_ms)
            self._spans.note("sandbox.load", invocation.traceparent, attributes, began=began)
        span = self._spans.begin("sandbox.invoke", invocation.traceparent, attributes)
        error = "the sandbox broke"
        try:
            call = structs.replace(invocation, traceparent=traceparent_of(span))
            reply = await self.claim.sandbox.invoke(call, on_log, outlet)
            error = f"{reply.error.kind}: {reply.error.type}" if reply.error else ""
        finally:
            self._spans.end(span, error=error)
        return reply

    async def kill(self) -> None:
        """See the port."""
        await self.claim.sandbox.kill()

    @property
    def reusable(self) -> bool:
        """See the port."""
        return self.claim.sandbox.reusable

    @property
    def memory_mb(self) -> float:
        """See the port."""
        return self.claim.sandbox.memory_mb


class TracedPool(SandboxPool):
    """A pool whose claims are traced."""

    def __init__(self, pool: SandboxPool, spans: Spans, clock: Clock) -> None:
        """Everything is the inner pool's to do."""
        self._pool = pool
        self._spans = spans
        self._clock = clock

    async def acquire(self, function: Function) -> Claim | RunError:
        """See the port."""
        claim = await self._pool.acquire(function)
        return self._traced(claim, function) if isinstance(claim, Claim) else claim

    def take(self, function: Function) -> Claim | None:
        """See the port."""
        claim = self._pool.take(function)
        return self._traced(claim, function) if claim is not None else None

    def release(self, claim: Claim) -> None:
        """See the port."""
        sandbox = claim.sandbox
        self._pool.release(sandbox.claim if isinstance(sandbox, TracedSandbox) else claim)

    def keeps(self, function_id: str) -> bool:
        """See the port."""
        return self._pool.keeps(function_id)

    def census(self) -> dict[str, int]:
        """See the port."""
        return self._pool.census()

    async def close(self) -> None:
        """See the port."""
        await self._pool.close()

    def _traced(self, claim: Claim, function: Function) -> Claim:
        return structs.replace(claim, sandbox=TracedSandbox(claim, function, self._spans, self._clock))
