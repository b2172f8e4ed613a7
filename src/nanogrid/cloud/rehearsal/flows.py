"""Where the milliseconds of a deployment and of a warm run go, hop by hop.

Nothing in the grid is changed for it: the client notes when it asked and was answered, the emulated AWS when each of
its services was, and Redis what it was told. All clocks are the same machine's, and nothing else happens meanwhile.
"""

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import NamedTuple

from nanogrid.cloud.emulator.recorder import Call, read_calls
from nanogrid.cloud.rehearsal.report import Flow, Hop, Plan
from nanogrid.cloud.rehearsal.stage import Stage

_FUNCTION = "rehearsal-flow"
_SOURCE = "def handler(event, context):\n    return event\n"
#: A line of Redis' MONITOR that speaks of one run's outcome.
_MONITORED = re.compile(rb'\+?(\d+\.\d+) \[\d+ [^\]]*\] "(PUBLISH|GET)" "nanogrid:')
_API = "/_aws/execute-api/"
_WRITES = ("PutItem", "UpdateItem", "TransactWriteItems")
#: What the emulator does for as long as nobody sends anything counts for no hop.
_WAITS = ("ReceiveMessage",)
_SOON_S = 0.02


class Window(NamedTuple):
    """One request as the client saw it, in seconds since 1970."""

    sent_at: float
    answered_at: float


class Mark(NamedTuple):
    """A moment at which one hop ends and the next begins."""

    at: float
    #: What the hop that ends here is called, and what happens in it.
    hop: str
    what: str
    #: Whether the hop takes as long as it does because an emulator does it.
    emulated: bool = False


class Trace:
    """What the services were asked while one request was under way."""

    def __init__(self, window: Window, calls: Iterable[Call], heard: Sequence[tuple[str, float]]) -> None:
        """`heard` is what Redis was told, and when."""
        self.window = window
        inside = [call for call in calls if window.sent_at <= call.ended_at and call.began_at <= window.answered_at]
        self.api = next(call for call in inside if _is_api(call) and call.began_at >= window.sent_at)
        self.calls = sorted((call for call in inside if not _is_api(call)), key=lambda call: call.began_at)
        told = [(command, at) for command, at in heard if window.sent_at <= at <= window.answered_at]
        self.published_at = next((at for command, at in told if command == "PUBLISH"), 0.0)
        #: When the dispatcher, woken by that, asked for the outcome.
        self.woken_at = next((at for command, at in told if command == "GET" and at >= self.published_at), 0.0)

    def first(self, operations: Sequence[str], after: float) -> Call:
        """The first call of one of these operations that ended after that moment."""
        return next(call for call in self.calls if _operation(call) in operations and call.ended_at > after)

    def last(self, operations: Sequence[str], before: float) -> Call:
        """The last call of one of these operations that began before that moment."""
        return [call for call in self.calls if _operation(call) in operations and call.began_at < before][-1]

    def served(self, began_at: float, ended_at: float) -> float:
        """How much of that time the services took, in seconds."""
        busy = 0.0
        reached = began_at
        for call in self.calls:
            if _operation(call) in _WAITS:
                continue
            start, end = max(call.began_at, reached), min(call.ended_at, ended_at)
            if end > start:
                busy += end - start
                reached = end
        return busy


async def time_runs(stage: Stage, plan: Plan) -> Flow:
    """The hops of a warm synchronous run, as medians."""

    async def run() -> None:
        await stage.post("/run", {"functionId": f"{_FUNCTION}-0", "input": {}})

    # The first ones start Lambdas' processes and a sandbox.
    for _ in range(3):
        await run()
    async with _heard(stage) as heard:
        windows = [await _timed(run) for _ in range(plan.timed_runs)]
        traces = await _traces(stage, windows, heard)
    return _flow([(trace, _run_marks(trace)) for trace in traces], await _empty_call_ms(stage, plan))


async def time_deployments(stage: Stage, plan: Plan) -> Flow:
    """The hops of a deployment, as medians."""

    async def deploy(number: int) -> None:
        function = {"name": f"{_FUNCTION}-{number}", "runtime": stage.runtime, "source": f"# {number}\n{_SOURCE}"}
        await stage.post("/functions", function)

    # The first one starts the Lambda's process.
    await deploy(0)
    windows = [await _timed(partial(deploy, number)) for number in range(1, plan.timed_deployments + 1)]
    traces = await _traces(stage, windows, [])
    return _flow([(trace, _deploy_marks(trace)) for trace in traces], await _empty_call_ms(stage, plan))


def _run_marks(trace: Trace) -> list[Mark]:
    sent = trace.first(["SendMessageBatch", "SendMessage"], trace.api.began_at)
    accepted = trace.last(_WRITES, sent.began_at)
    received = trace.first(["ReceiveMessage"], sent.began_at)
    finished = trace.last(_WRITES, trace.published_at)
    started = trace.first(_WRITES, sent.began_at)
    return [
        *_to_lambda(trace, "the dispatcher"),
        Mark(accepted.began_at, "look up", "token, function and version"),
        Mark(accepted.ended_at, "accept", "the run is in NanoGridRuns"),
        Mark(sent.ended_at, "send", "listen on Redis, then the task goes to SQS"),
        Mark(
            received.ended_at,
            "receive",
            "SQS wakes the worker that waits; the emulator looks each 100 ms",
            emulated=True,
        ),
        Mark(started.ended_at, "claim", "a warm sandbox; the run is marked as running"),
        Mark(finished.began_at, "sandbox", "the handler runs, and its answer is read"),
        Mark(finished.ended_at, "store", "the outcome is in NanoGridRuns"),
        Mark(trace.published_at, "publish", "the outcome is in Redis"),
        Mark(trace.woken_at, "wake", "the dispatcher hears of it and reads it"),
        *_to_client(trace),
    ]


def _deploy_marks(trace: Trace) -> list[Mark]:
    stored = trace.first(["PUT"], trace.api.began_at)
    registered = trace.last(_WRITES, trace.api.ended_at)
    return [
        *_to_lambda(trace, "the resource manager"),
        Mark(stored.ended_at, "store code", "the archive is in S3"),
        Mark(registered.ended_at, "register", "the version is in NanoGridFunctions"),
        *_to_client(trace),
    ]


def _to_lambda(trace: Trace, name: str) -> list[Mark]:
    first = next(call for call in trace.calls if call.began_at >= trace.api.began_at and _operation(call) not in _WAITS)
    return [
        Mark(trace.api.began_at, "to the API", "the client's side of HTTP"),
        Mark(first.began_at, "Lambda", f"API Gateway calls {name}; until its first request", emulated=True),
    ]


def _to_client(trace: Trace) -> list[Mark]:
    return [
        Mark(
            trace.api.ended_at,
            "answer",
            "Lambda and API Gateway; the emulator waits 50 ms for a log line",
            emulated=True,
        ),
        Mark(trace.window.answered_at, "to the client", "the client's side of HTTP"),
    ]


def _flow(traced: list[tuple[Trace, list[Mark]]], empty_call_ms: float) -> Flow:
    """Medians over all traces; each has the same marks."""
    marks = traced[0][1]
    hops = []
    for index, mark in enumerate(marks):
        spans = [(trace, _span(trace, own, index)) for trace, own in traced]
        took = statistics.median(max(0.0, end - start) for _, (start, end) in spans)
        served = statistics.median(trace.served(start, end) for trace, (start, end) in spans)
        hops.append(Hop(name=mark.hop, ms=_ms(took), service_ms=_ms(served), what=mark.what, emulated=mark.emulated))
    whole = statistics.median(trace.window.answered_at - trace.window.sent_at for trace, _ in traced)
    return Flow(hops=hops, whole_ms=_ms(whole), empty_call_ms=empty_call_ms, times=len(traced))


def _span(trace: Trace, marks: list[Mark], index: int) -> tuple[float, float]:
    """From the latest mark so far to this one: what ran beside the path that is waited for has no length."""
    start = max([trace.window.sent_at, *(mark.at for mark in marks[:index])])
    return start, max(start, marks[index].at)


async def _empty_call_ms(stage: Stage, plan: Plan) -> float:
    """What a call costs that does nothing: API Gateway, a Lambda's invocation, and the client's side."""
    windows = [await _timed(partial(stage.get, "/health/live")) for _ in range(plan.timed_deployments)]
    return _ms(statistics.median(window.answered_at - window.sent_at for window in windows))


async def _timed(call: Callable[[], Awaitable[object]]) -> Window:
    sent_at = time.time()
    await call()
    return Window(sent_at, time.time())


async def _traces(stage: Stage, windows: Sequence[Window], heard: Sequence[tuple[str, float]]) -> list[Trace]:
    # A request is written down when it is over, which is just after its answer has come.
    last = windows[-1].sent_at
    while not _has_api_call(stage, last):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(_SOON_S)
    calls = read_calls(stage.aws.calls)
    return [Trace(window, calls, heard) for window in windows]


def _has_api_call(stage: Stage, since: float) -> bool:
    return any(_is_api(call) and call.began_at >= since for call in read_calls(stage.aws.calls))


@asynccontextmanager
async def _heard(stage: Stage) -> AsyncIterator[list[tuple[str, float]]]:
    """What Redis is told of outcomes, and when, as long as the context lasts."""
    heard: list[tuple[str, float]] = []

    async def listen() -> None:
        async with aclosing(stage.redis.monitor()) as lines:
            async for line in lines:
                heard.extend((match[2].decode(), float(match[1])) for match in _MONITORED.finditer(line))

    listening = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def _is_api(call: Call) -> bool:
    return call.path.startswith(_API)


def _operation(call: Call) -> str:
    """The operation of a JSON service; of S3, the method."""
    return call.target.partition(".")[2] or call.method


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
