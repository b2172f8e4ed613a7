"""Sandboxes without walls, in this very process: a handler is a call on a thread of its own."""

import asyncio
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, NamedTuple

from nanogrid.clock import Clock, milliseconds
from nanogrid.model import MAX_OUTPUT_BYTES, ErrorKind, Function, Logs, Network, RunError
from nanogrid.ports import Claim, Invocation, LogSink, Outlet, Reply, Sandbox, SandboxDriver, SandboxPool
from nanogrid.testing.handlers import Called, Context, Handler, call, described
from nanogrid.testing.output import Output
from nanogrid.testing.sleeping import HandlerEnded, Sleeping

#: Finds the handler of a function: given to the grid by a test, or out of its archive.
FindHandler = Callable[[Function], Coroutine[Any, Any, Handler]]


class Surroundings(NamedTuple):
    """What all handlers of one grid share."""

    clock: Clock
    sleeping: Sleeping
    output: Output


class InProcessSandbox(Sandbox):
    """One version of one function."""

    def __init__(self, surroundings: Surroundings, find_handler: FindHandler) -> None:
        """Nothing is loaded yet."""
        self._clock, self._sleeping, self._output = surroundings
        self._find_handler = find_handler
        self._function: Function | None = None
        self._handler: Handler | None = None
        self._sound = True

    async def load(self, function: Function) -> RunError | None:
        """See the port."""
        self._function = function
        os.environ.update(function.environment)
        try:
            self._handler = await self._find_handler(function)
        except Exception as exc:  # noqa: BLE001 - whatever the import raises is the run's failure
            self._sound = False
            return described(exc, ErrorKind.INIT_FAILED)
        return None

    async def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Reply:
        """See the port. A handler that is out of time is not waited for; it cannot be killed."""
        assert self._function is not None  # noqa: S101 - the pool loads before it gives out
        began = self._clock.monotonic()
        written: list[bytes] = []

        def write(data: bytes) -> None:
            written.append(data)
            if on_log is not None:
                loop.call_soon_threadsafe(on_log, data)

        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Called] = loop.create_future()
        context = Context(self._function, invocation, self._clock)
        thread = threading.Thread(target=self._work, args=(loop, answer, invocation, context, write), daemon=True)
        end = self._sleeping.begin(thread)
        try:
            called = await self._in_time(answer, invocation.timeout_ms)
        finally:
            end()
        text = b"".join(written).decode(errors="replace")
        duration_ms = milliseconds(self._clock.monotonic() - began)
        return Reply(
            output=called.output,
            streamed=called.streamed,
            error=called.error,
            logs=Logs(text=text),
            duration_ms=duration_ms,
        )

    async def kill(self) -> None:
        """See the port."""
        self._sound = False

    @property
    def reusable(self) -> bool:
        """See the port."""
        return self._sound

    @property
    def memory_mb(self) -> float:
        """Not known: the memory is this process's."""
        return 0.0

    async def _in_time(self, answer: asyncio.Future[Called], timeout_ms: int) -> Called:
        """What the handler answers, or that it has not until the clock has been turned so far."""
        ends = asyncio.create_task(self._clock.sleep(timeout_ms / 1000))
        either: set[asyncio.Future[Any]] = {answer, ends}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ends.cancel()
        if answer.done():
            called = answer.result()
            self._sound = called.error is None or called.error.kind is not ErrorKind.EXITED
            return _bounded(called)
        self._sound = False
        message = f"The function did not return within {timeout_ms} ms."
        return Called(error=RunError(kind=ErrorKind.TIMED_OUT, type="TimedOut", message=message))

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: asyncio.Future[Called],
        invocation: Invocation,
        context: Context,
        write: LogSink,
    ) -> None:
        """The handler's thread."""
        assert self._handler is not None  # noqa: S101 - loaded
        try:
            with self._sleeping.a_handler(), self._output.into(write):
                result = call(self._handler, invocation.input, context)
            loop.call_soon_threadsafe(_settle, answer, result)
        except (HandlerEnded, RuntimeError):
            # The run is over, or the whole grid: nobody is left to be answered.
            return


class InProcessDriver(SandboxDriver):
    """Makes sandboxes of this process."""

    def __init__(self, surroundings: Surroundings, find_handler: FindHandler) -> None:
        """All sandboxes share the surroundings."""
        self._surroundings = surroundings
        self._find_handler = find_handler

    async def start(self) -> None:
        """See the port."""

    async def create(self, runtime: str, network: Network) -> Sandbox:
        """See the port."""
        return InProcessSandbox(self._surroundings, self._find_handler)

    def why_not(self, network: Network) -> str:
        """See the port: the network is this process's."""
        return ""

    def runtimes(self) -> list[str]:
        """See the port."""
        return [f"python3.{sys.version_info.minor}"]

    async def close(self) -> None:
        """See the port."""


#: What makes two sandboxes alike.
_Key = tuple[str, int, datetime, int]


class InProcessPool(SandboxPool):
    """Warm sandboxes by function version, in any number."""

    def __init__(self, driver: SandboxDriver) -> None:
        """No sandbox yet."""
        self._driver = driver
        self._warm: dict[_Key, list[Sandbox]] = defaultdict(list)
        self._out: dict[int, _Key] = {}

    @property
    def busy(self) -> int:
        """How many sandboxes are given out."""
        return len(self._out)

    async def acquire(self, function: Function) -> Claim | RunError:
        """See the port."""
        if (claim := self.take(function)) is not None:
            return claim
        sandbox = await self._driver.create(function.runtime, function.network)
        error = await sandbox.load(function)
        return error or self._given_out(_key(function), Claim(sandbox=sandbox, cold=True))

    def take(self, function: Function) -> Claim | None:
        """See the port."""
        warm = self._warm[_key(function)]
        return self._given_out(_key(function), Claim(sandbox=warm.pop(), cold=False)) if warm else None

    def release(self, claim: Claim) -> None:
        """See the port."""
        key = self._out.pop(id(claim.sandbox), None)
        if key is not None and claim.sandbox.reusable:
            self._warm[key].append(claim.sandbox)

    def keeps(self, function_id: str) -> bool:
        """See the port."""
        warm = [key for key, sandboxes in self._warm.items() if sandboxes]
        return any(key[0] == function_id for key in [*warm, *self._out.values()])

    def census(self) -> dict[str, int]:
        """See the port. Sandboxes start at once, and none is kept as a spare."""
        warm = sum(map(len, self._warm.values()))
        return {"spare": 0, "warm": warm, "busy": len(self._out), "starting": 0}

    async def close(self) -> None:
        """See the port."""
        self._warm.clear()

    def _given_out(self, key: _Key, claim: Claim) -> Claim:
        self._out[id(claim.sandbox)] = key
        return claim


def _key(function: Function) -> _Key:
    return function.function_id, function.version, function.updated_at, function.memory_mb


def _settle(answer: "asyncio.Future[Called]", result: Called) -> None:
    if not answer.done():
        answer.set_result(result)


def _bounded(called: Called) -> Called:
    size = len(bytes(called.output))
    if size <= MAX_OUTPUT_BYTES:
        return called
    message = f"The result has {size} bytes; {MAX_OUTPUT_BYTES} are allowed."
    return Called(error=RunError(kind=ErrorKind.RESULT_TOO_LARGE, type="ResultTooLarge", message=message))
