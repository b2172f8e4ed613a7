"""The SDK. Everything that it can do is here; `blocking` only waits for it."""

import asyncio
import math
import os
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from nanogrid.client import bundle, discovery
from nanogrid.client.administration import function_path, run_path
from nanogrid.client.channel import Channel
from nanogrid.client.deadline import Deadline
from nanogrid.client.downloads import Downloads
from nanogrid.client.errors import WaitTimedOut
from nanogrid.client.guess import make_plan, plan_name
from nanogrid.client.mapping import Window, each
from nanogrid.client.messages import decoded, run_body
from nanogrid.client.records import DeadLetterInfo, FunctionInfo, LogEntry, LogLines, RunInfo
from nanogrid.client.scheduling import Scheduling
from nanogrid.client.streaming import parts
from nanogrid.client.uploads import INLINE_BYTES, send_ahead
from nanogrid.errors import FunctionNotFound, NameTaken, NanoGridError
from nanogrid.model import Http, Mode, Network, RunStatus

T = TypeVar("T")

_RUNS_PAGE = 50


class Handle:
    """A run that was submitted."""

    def __init__(self, client: "AsyncClient", run_id: str) -> None:
        """`AsyncClient.handle` makes one for any run's id."""
        self._client = client
        #: The run's id; keep it to come back later, from anywhere.
        self.run_id = run_id

    def __repr__(self) -> str:
        return f"Handle({self.run_id!r})"

    async def result(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - waits on the grid, not here
        """The output as soon as there is one. `timeout` in seconds; raises `WaitTimedOut`, `RunUnsuccessful`."""
        return (await self._client.wait(self.run_id, timeout=timeout)).result()

    async def status(self) -> RunStatus:
        """Where the run stands now."""
        return (await self._client.get_run(self.run_id)).status

    async def cancel(self) -> RunInfo:
        """End the run, queued or running. Raises `RunEnded` where it has an outcome."""
        return await self._client.cancel(self.run_id)


class AsyncClient(Scheduling, Downloads):
    """One grid. Closes its connections at the end of `async with`, or by `close`.

    Functions are named by name or id. Every method raises `ConnectionFailed` where no grid answers, `Unauthorized` for
    a wrong token, and `PlatformError` where the grid is in trouble.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float = 30.0,
        environ: Mapping[str, str] = os.environ,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Find the grid: as given, else NANOGRID_URL and NANOGRID_TOKEN, else `nanogrid login`, else the local one.

        `timeout` bounds each step of a request, `patience` how long refusals for overload are waited out altogether;
        both in seconds. Raises `ConnectionFailed` where no grid is known. Sends nothing yet.
        """
        place = discovery.find(url, token, environ)
        self._channel = Channel(place, timeout_s=timeout, patience_s=patience, transport=transport, sleep=sleep)
        self._monotonic = monotonic

    @property
    def url(self) -> str:
        """Where the grid is."""
        return self._channel.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._channel.close()

    async def deploy(
        self,
        code: Path | str | bytes,
        *,
        name: str | None = None,
        runtime: str | None = None,
        handler: str | None = None,
        memory_mb: int | None = None,
        auto_memory_mb: int | None = None,
        timeout_ms: int | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        network: Network | str | None = None,
        concurrency: int | None = None,
        retries: int | None = None,
        max_age_ms: int | None = None,
        idle_ttl_ms: int | None = None,
        http: Http | str | None = None,
    ) -> FunctionInfo:
        """Make the function, or its next version where there is one of that name.

        `code` is a Path (of a zip, a folder, or one file), source text, or a zip's bytes. Name, runtime and handler are
        guessed from it where they are None; every other setting stays as it is, and is the grid's default for a new
        function. Dependencies are not resolved here: `nanogrid deploy` does that. Raises `InvalidField`,
        `ArchiveRefused`, `RuntimeUnavailable`, `TooLarge`.
        """
        loaded = await asyncio.to_thread(bundle.load, code)
        name = plan_name(loaded, name)
        existing = await self._existing(name)
        plan = make_plan(loaded, name, runtime, handler, existing)
        settings = {
            "memoryMb": memory_mb,
            "autoMemoryMb": auto_memory_mb,
            "timeoutMs": timeout_ms,
            "environment": environment,
            "secrets": secrets,
            "network": network,
            "concurrency": concurrency,
            "retries": retries,
            "maxAgeMs": max_age_ms,
            "idleTtlMs": idle_ttl_ms,
            "http": http,
        }
        change = {
            "runtime": plan.runtime,
            "handler": plan.handler,
            **{name: value for name, value in settings.items() if value is not None},
            **await self._sent_ahead(await asyncio.to_thread(loaded.fields)),
        }
        return await self._update(name, change) if existing else await self._create(name, change)

    async def functions(self) -> AsyncIterator[FunctionInfo]:
        """All functions in order of name, read page by page."""
        async for function in self._pages("/functions", {}, FunctionInfo):
            yield function

    async def function(self, name: str, *, version: int | None = None) -> FunctionInfo:
        """The function, at that version or the latest. Raises `FunctionNotFound`."""
        query = {} if version is None else {"version": version}
        return decoded(await self._get(function_path(name), query), FunctionInfo)

    async def delete(self, name: str) -> None:
        """Remove the function with all its versions. Raises `FunctionNotFound`."""
        await self._channel.request("DELETE", function_path(name))

    async def run(
        self,
        name: str,
        input: Any = None,  # noqa: A002 - the API's word
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - waits on the grid, not here
    ) -> Any:
        """Run the function and return its output.

        `timeout` is how long to wait, in seconds, None for as long as the run takes. Raises `FunctionFailed`,
        `RunCancelled`, `RunDead`; `WaitTimedOut`; `FunctionNotFound`, `TooLarge`, `BacklogFull`. Not sent twice: after
        a `ConnectionFailed` in the middle the run may have happened.
        """
        return (await self.invoke(name, input, timeout=timeout)).result()

    async def invoke(
        self,
        name: str,
        input: Any = None,  # noqa: A002 - the API's word
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - waits on the grid, not here
    ) -> RunInfo:
        """Run the function and return the ended run, whichever way it ended. Raises as `run`, save for its outcome."""
        deadline = Deadline(timeout, self._monotonic)
        wait_s = deadline.next_wait_s()
        # The header counts whole seconds.
        headers = {"Prefer": f"wait={max(1, math.ceil(wait_s))}"}
        body = run_body(name, input, Mode.SYNC)
        response = await self._channel.request("POST", "/run", body=body, headers=headers, wait_s=wait_s + 1)
        run = decoded(response, RunInfo)
        return run if run.status.ended else await self._ended(run.run_id, deadline)

    async def stream(self, name: str, input: Any = None) -> AsyncIterator[Any]:  # noqa: A002 - the API's word
        """Run the function, and give out what it yields while it does; what it returns, where it does not yield.

        Bytes come as bytes. Who stops iterating has the run cancelled. A grid that cannot stream, as on AWS, gives out
        everything at the end. Raises as `run`, also in the middle: what came before was yielded.
        """
        async with aclosing(parts(self._channel, name, input, self.wait)) as given:
            async for part in given:
                yield part

    async def submit(
        self,
        name: str,
        input: Any = None,  # noqa: A002 - the API's word
        *,
        idempotency_key: str | None = None,
    ) -> Handle:
        """Have the function run; returns as soon as the grid has promised to.

        The same `idempotency_key` with the same input never makes a second run; without one a fresh key protects
        against our own repetition. Raises `FunctionNotFound`, `TooLarge`, `BacklogFull`, `IdempotencyConflict`.
        """
        headers = {"Prefer": "respond-async", "Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        body = run_body(name, input, Mode.ASYNC)
        response = await self._channel.request("POST", "/run", body=body, headers=headers, idempotent=True)
        return self.handle(decoded(response, RunInfo).run_id)

    def handle(self, run_id: str) -> Handle:
        """A handle of a run that was submitted earlier; sends nothing."""
        return Handle(self, run_id)

    async def map(
        self,
        name: str,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> AsyncIterator[Any]:
        """The output for each input, at most `concurrency` runs at once; in the inputs' order, or as they end.

        Inputs are taken one by one as there is room, so they may be endless. The first failure is raised and ends it
        all; with `return_exceptions` a failure takes its output's place instead.
        """

        async def call(item: Any) -> Any:
            try:
                return await self.run(name, item)
            except NanoGridError as exc:
                if return_exceptions:
                    return exc
                raise

        window = Window(call, each(inputs), size=concurrency, ordered=ordered)
        async with aclosing(window.outputs()) as outputs:
            async for output in outputs:
                yield output

    async def get_run(self, run_id: str) -> RunInfo:
        """The run in full as it stands now. Raises `RunNotFound`."""
        return decoded(await self._get(run_path(run_id), {}), RunInfo)

    async def wait(
        self,
        run_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - waits on the grid, not here
    ) -> RunInfo:
        """The run as soon as it has ended. `timeout` in seconds. Raises `WaitTimedOut`, `RunNotFound`."""
        return await self._ended(run_id, Deadline(timeout, self._monotonic))

    async def runs(
        self, function: str | None = None, *, status: RunStatus | str | None = None, limit: int | None = None
    ) -> AsyncIterator[RunInfo]:
        """Runs, newest first, of one function or all, `limit` at most; read page by page as they are asked for."""
        query = {"functionId": function, "status": status}
        # Records of runs carry their logs, so that a page of them may be large.
        page = _RUNS_PAGE if limit is None else min(limit, _RUNS_PAGE)
        count = 0
        async for run in self._pages("/runs", {k: v for k, v in query.items() if v is not None}, RunInfo, page):
            yield run
            count += 1
            if count == limit:
                return

    async def cancel(self, run_id: str) -> RunInfo:
        """End a run, queued or running. Raises `RunEnded` where it has an outcome, `RunNotFound`."""
        return decoded(await self._channel.request("DELETE", run_path(run_id), idempotent=True), RunInfo)

    async def logs(self, name: str, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        """Recent log lines of the function, oldest first; with `follow`, then new ones as they are written."""
        path = function_path(name) + "/logs"
        if not follow:
            for entry in await self._recent_lines(path):
                yield entry
            return
        async with self._channel.stream(path, {"follow": "true"}) as lines:
            # The stream opens with a sign of life; what is written from then on is in it, what was before is recent.
            await anext(lines, None)
            known: dict[str, datetime] = {}
            for entry in await self._recent_lines(path):
                known[entry.run_id] = entry.at
                yield entry
            async for line in lines:
                if not line.startswith("data:"):
                    continue
                entry = msgspec.json.decode(line.removeprefix("data:"), type=LogEntry)
                # A run that ended in between is in both; a later attempt of it is not.
                if entry.run_id not in known or entry.at > known[entry.run_id]:
                    yield entry

    async def dead_letters(self) -> AsyncIterator[DeadLetterInfo]:
        """What the platform could not run, newest first."""
        async for letter in self._pages("/dead-letters", {}, DeadLetterInfo):
            yield letter

    async def redrive(self, run_id: str) -> RunInfo:
        """Give a dead run another try. Raises `DeadLetterNotFound`, `RunEnded`, `RunNotFound`."""
        path = f"/dead-letters/{quote(run_id, safe='')}/redrive"
        return decoded(await self._channel.request("POST", path), RunInfo)

    async def openapi(self) -> dict[str, Any]:
        """The grid's own description of its HTTP API, OpenAPI 3.1."""
        return decoded(await self._get("/openapi.json", {}), dict[str, Any])

    async def _existing(self, name: str) -> FunctionInfo | None:
        try:
            return await self.function(name)
        except FunctionNotFound:
            return None

    async def _sent_ahead(self, code: dict[str, Any]) -> dict[str, Any]:
        """The field that carries the code; a large archive is on the grid by then, and only named."""
        archive = code.get("zip", b"")
        if len(archive) <= INLINE_BYTES:
            return code
        digest = await send_ahead(self._channel, archive)
        return {"upload": digest} if digest else code

    async def _create(self, name: str, change: dict[str, Any]) -> FunctionInfo:
        body = msgspec.json.encode({"name": name, **change})
        try:
            return decoded(await self._channel.request("POST", "/functions", body=body), FunctionInfo)
        except NameTaken:  # somebody else was faster
            return await self._update(name, change)

    async def _update(self, name: str, change: dict[str, Any]) -> FunctionInfo:
        body = msgspec.json.encode(change)
        return decoded(await self._channel.request("PUT", function_path(name), body=body), FunctionInfo)

    async def _recent_lines(self, path: str) -> list[LogEntry]:
        return decoded(await self._get(path, {}), LogLines).lines

    async def _ended(self, run_id: str, deadline: Deadline) -> RunInfo:
        while True:
            wait_s = deadline.next_wait_s()
            query = {"waitMs": math.ceil(wait_s * 1000)}
            run = decoded(await self._get(run_path(run_id), query, wait_s), RunInfo)
            if run.status.ended:
                return run
            if deadline.over():
                raise WaitTimedOut(run_id)
