"""Keeps every promise of `ports.Sandbox` over any cell: one import, one run at a time, a typed end whatever happens.

A sandbox is in doubt from the moment that its function gets to work, and out of doubt only by a clean answer. So there
is no way out of a run that leaves a spoilt sandbox reusable.
"""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import structs

from nanogrid import wire
from nanogrid.clock import Clock, milliseconds
from nanogrid.errors import SandboxBroken
from nanogrid.model import ArtifactLimits, ErrorKind, Function, RunError
from nanogrid.ports import Invocation, LogSink, Outlet, Reply, Sandbox
from nanogrid.sandbox import failures
from nanogrid.sandbox.answers import Answer, read_report, read_result
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.channel import BROKEN, ENDED, EXPIRED, FLOODED, STRAY, Channel
from nanogrid.sandbox.handover import HANDED, Handover
from nanogrid.sandbox.logs import LogCollector

#: An import may take as long as the handler, but at least and at most so many seconds: a handler with a short time-out
#: may well need long imports.
MIN_IMPORT_S = 10.0
MAX_IMPORT_S = 60.0
#: How long a runtime may take to come up, in seconds.
_READY_S = 30.0
#: How long a process may take to be gone after its socket is, in seconds; after that it has only closed the socket.
_EXIT_GRACE_S = 1.0
#: How long an answer waits for the sandbox's end, in seconds; the end goes on without it.
_KILL_PATIENCE_S = 2.0
#: How long a reading of the memory counts, in seconds.
_MEMORY_FRESH_S = 1.0

#: Where to find the unpacked code of a sha-256.
CodePlace = Callable[[str], Awaitable[Path]]


class Guard(Sandbox):
    """One cell under guard."""

    def __init__(
        self,
        cell: Cell,
        clock: Clock,
        code: CodePlace,
        *,
        min_import_s: float = MIN_IMPORT_S,
        artifacts: ArtifactLimits | None = None,
    ) -> None:
        """Owns the cell from now on; `kill` gives back all that it holds. Without `artifacts` a run can leave none."""
        self._cell = cell
        self._clock = clock
        self._code = code
        self._min_import_s = min_import_s
        self._artifacts = artifacts
        self._channel = Channel(cell.control)
        self._logs = LogCollector(cell.output)
        self._ready = self._channel.expect()
        self._function: Function | None = None
        # Idle, and out of doubt as far as the last answer tells.
        self._sound = True
        self._handed: Handover | None = None
        self._end: asyncio.Task[None] | None = None
        self._memory_mb = 0.0
        self._memory_read_at = -math.inf

    @property
    def reusable(self) -> bool:
        """Whether another run may go in; turns False by itself where the sandbox dies or speaks unasked."""
        return self._sound and self._channel.quiet

    @property
    def memory_mb(self) -> float:
        """What it occupies, in MB, read at most once a second; 0 once it has been killed."""
        if self._end is not None:
            return 0.0
        now = self._clock.monotonic()
        if now - self._memory_read_at >= _MEMORY_FRESH_S:
            self._memory_read_at = now
            self._memory_mb = self._cell.memory_mb()
        return self._memory_mb

    async def load(self, function: Function) -> RunError | None:
        """Import the code; a second call raises `SandboxBroken`. If anything fails the sandbox is gone afterwards."""
        if self._function is not None or not self._sound:
            raise SandboxBroken("this sandbox has loaded code before, or has ended; load into a fresh one.")
        self._function = function
        self._sound = False
        try:
            await self._until_ready()
            error = await self._import(function)
            self._sound = error is None and self._end is None
        finally:
            if not self._sound:
                await self._destroy()
        return error

    async def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Reply:
        """Run the handler once; see the port. Where the answer leaves any doubt, the sandbox is gone afterwards."""
        function = self._function
        if function is None or not self._sound:
            raise SandboxBroken("this sandbox has no code, is busy, or has ended; ask `reusable` before a run.")
        self._sound = False
        # Whoever answers must have read this very order: nothing written in advance, or for another run, can pass.
        nonce = os.urandom(8).hex()
        streams = outlet is not None and outlet.wants_parts(invocation.run_id)
        order = self._order(invocation, nonce, streams=streams)
        self._logs.begin(on_log)
        began = self._clock.monotonic()
        try:
            kind, payload = await self._channel.exchange(order, invocation.timeout_ms / 1000)
            handed: Handover | None = None
            if kind in HANDED:
                handed = self._handed = self._handover(invocation, nonce, outlet, streams=streams)
                kind, payload = await handed.until_answer(kind, payload, began + invocation.timeout_ms / 1000)
            duration_ms = milliseconds(self._clock.monotonic() - began)
            if kind == wire.RESULT:
                answer = self._explained(read_result(payload, nonce), function)
            else:
                too_late = failures.timed_out(invocation.timeout_ms)
                answer = Answer(error=await self._why_none(kind, payload, function, too_late))
            self._sound = answer.sound and self._end is None
        finally:
            if not self._sound:
                await self._destroy()
        reply = Reply(
            output=answer.output,
            streamed=answer.streamed,
            error=answer.error,
            logs=self._logs.take(),
            duration_ms=duration_ms,
            peak_memory_mb=answer.peak_memory_mb,
        )
        return reply if handed is None else _with(handed, reply)

    async def kill(self) -> None:
        """End everything; cancelling this leaves the end under way."""
        await asyncio.shield(self._begin_end())

    async def _until_ready(self) -> None:
        kind, _ = await self._channel.wait(self._ready, _READY_S)
        if kind != wire.READY:
            reasons = {EXPIRED: f"was not up within {_READY_S:g} s", ENDED: "ended before it was up"}
            raise SandboxBroken(f"the runtime {reasons.get(kind, 'began with something else than READY')}.")

    async def _import(self, function: Function) -> RunError | None:
        place = await self._cell.place(function, await self._code(function.code_sha256))
        order = wire.Load(
            code=place,
            handler=function.handler,
            environment=function.environment,
            function_name=function.name,
            version=function.version,
            function_id=function.function_id,
            memory_mb=function.memory_mb,
            runtime=function.runtime,
            artifacts=self._artifacts,
        )
        limit_s = min(max(function.timeout_ms / 1000, self._min_import_s), MAX_IMPORT_S)
        kind, payload = await self._channel.exchange(wire.encode(wire.LOAD, order), limit_s)
        if kind == wire.LOADED:
            return read_report(payload)
        error = await self._why_none(kind, payload, function, failures.import_timed_out(limit_s))
        return failures.while_loading(error, self._logs.take().text)

    def _handover(self, invocation: Invocation, nonce: str, outlet: Outlet | None, *, streams: bool) -> Handover:
        return Handover(
            self._channel,
            self._clock,
            outlet,
            run_id=invocation.run_id,
            nonce=nonce,
            limits=self._artifacts,
            streams=streams,
        )

    def _order(self, invocation: Invocation, nonce: str, *, streams: bool) -> bytearray:
        order = wire.Invoke(
            nonce=nonce,
            run_id=invocation.run_id,
            attempt=invocation.attempt,
            deadline_ms=int(self._clock.now().timestamp() * 1000) + invocation.timeout_ms,
            traceparent=invocation.traceparent,
            stream=streams,
            event=invocation.input,
        )
        return wire.encode(wire.INVOKE, order)

    def _explained(self, answer: Answer, function: Function) -> Answer:
        """The answer; where a process that the handler started ran out of memory, it says so."""
        error = answer.error
        if error is None or error.kind is not ErrorKind.EXITED or not self._cell.memory_exceeded():
            return answer
        return structs.replace(answer, error=failures.out_of_memory(function.memory_mb))

    async def _why_none(
        self, kind: int, payload: bytes | memoryview, function: Function, too_late: RunError
    ) -> RunError:
        """Why no answer came. Raises `SandboxBroken` where the reason is ours."""
        if self._end is not None:
            raise SandboxBroken("the platform ended this sandbox while it was at work.")
        if kind == EXPIRED:
            return too_late
        if kind == ENDED:
            return await self._why_ended(function)
        return _refused(kind, payload)

    async def _why_ended(self, function: Function) -> RunError:
        try:
            ending = await asyncio.wait_for(self._cell.ended(), _EXIT_GRACE_S)
        except TimeoutError:
            return failures.hung_up()
        return failures.exited(ending, function.memory_mb)

    async def _destroy(self) -> None:
        """Kill, and wait a while: no answer is held up by a process that the kernel cannot end yet."""
        await asyncio.wait({self._begin_end()}, timeout=_KILL_PATIENCE_S)

    def _begin_end(self) -> asyncio.Task[None]:
        self._sound = False
        if self._handed is not None:
            self._handed.stop()
        if self._end is None:
            self._end = asyncio.create_task(self._dispose())
        return self._end

    async def _dispose(self) -> None:
        self._channel.close()
        try:
            await self._cell.kill()
        finally:
            # After the kill: what a function wrote at the last moment is still in the pipe.
            self._logs.close()


def _with(handed: Handover, reply: Reply) -> Reply:
    """The answer, with what was handed out before it."""
    reply = structs.replace(reply, artifacts=handed.files.kept)
    if not reply.streamed or reply.error is not None or not handed.parts.any:
        return reply
    return structs.replace(reply, output=handed.parts.output(), output_truncated=handed.parts.truncated)


def _refused(kind: int, payload: bytes | memoryview) -> RunError:
    """Why what came is no answer."""
    if kind == wire.REFUSED:
        return failures.refused_frame(payload)
    if kind == FLOODED:
        return failures.streamed_too_much()
    if kind == BROKEN:
        return failures.protocol_error(bytes(payload).decode())
    what = "something that was not asked for" if kind == STRAY else f"a frame of kind {kind}"
    return failures.protocol_error(f"it sent {what}")
