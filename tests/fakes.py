"""The ports in memory, as small as the API's tests allow; what the ports promise is tested in `conformance/`."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from msgspec import UNSET, structs

from nanogrid import ports
from nanogrid.errors import (
    BacklogFull,
    CodeNotFound,
    DeadLetterNotFound,
    FunctionNotFound,
    IdempotencyConflict,
    MalformedRequest,
    NameTaken,
    RevisionConflict,
    RunEnded,
    RunNotFound,
)
from nanogrid.model import DeadLetter, Depth, Function, Lease, LogLine, Outcome, Run, RunStatus, Task


def page(items: list, limit: int, cursor: str | None) -> ports.Page:
    """Pages by position: good enough for a list that does not change."""
    if cursor is not None and not cursor.isdecimal():
        raise MalformedRequest("this cursor is not one of ours.")
    start = int(cursor or 0)
    more = len(items) > start + limit
    return ports.Page(items=items[start : start + limit], next_cursor=str(start + limit) if more else None)


class FakeCodeStore(ports.CodeStore):
    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    async def put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return digest

    async def get(self, digest: str) -> bytes:
        if digest not in self.contents:
            raise CodeNotFound(f"no code {digest}.")
        return self.contents[digest]

    async def delete(self, digest: str) -> None:
        self.contents.pop(digest, None)

    async def upload_address(self, digest: str, size: int) -> str:
        return f"memory:{digest}"

    async def download_address(self, digest: str) -> str:
        return f"memory:{digest}"


class FakeRegistry(ports.Registry):
    def __init__(self) -> None:
        self.functions: dict[str, list[Function]] = {}

    async def create(self, function: Function) -> None:
        if any(versions[-1].name == function.name for versions in self.functions.values()):
            raise NameTaken(f"there is a function {function.name!r} already.")
        self.functions[function.function_id] = [function]

    async def update(self, function: Function) -> None:
        if self._versions(function.function_id)[-1].version + 1 != function.version:
            raise RevisionConflict("the function has changed.")
        self.functions[function.function_id].append(function)

    async def get(self, reference: str, version: int | None = None) -> Function:
        versions = self._versions(reference)
        found = [item for item in versions if version in (None, item.version)]
        if not found:
            raise FunctionNotFound(f"{reference!r} has no version {version}.")
        return found[-1]

    async def list_functions(self, *, limit: int, cursor: str | None = None) -> ports.Page[Function]:
        latest = sorted((versions[-1] for versions in self.functions.values()), key=lambda item: item.name)
        return page(latest, limit, cursor)

    async def versions(self, function_id: str) -> list[Function]:
        return self._versions(function_id)[::-1]

    async def delete(self, function_id: str) -> list[str]:
        self._versions(function_id)
        gone = {item.code_sha256 for item in self.functions.pop(function_id)}
        return [digest for digest in gone if not await self.uses(digest)]

    async def uses(self, code_sha256: str) -> bool:
        return any(item.code_sha256 == code_sha256 for versions in self.functions.values() for item in versions)

    def _versions(self, reference: str) -> list[Function]:
        for function_id, versions in self.functions.items():
            if reference in (function_id, versions[-1].name):
                return versions
        raise FunctionNotFound(f"there is no function {reference!r}.")


class FakeRunStore(ports.RunStore):
    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.keys: dict[str, tuple[str, str]] = {}

    async def accept(self, run: Run, *, durable: bool, idempotency: tuple[str, str] | None = None) -> Run:
        if idempotency is not None:
            digest, run_id = self.keys.setdefault(idempotency[0], (idempotency[1], run.run_id))
            if digest != idempotency[1]:
                raise IdempotencyConflict("the key was used with another body.")
            if run_id != run.run_id:
                return self.runs[run_id]
        self.runs[run.run_id] = run
        return run

    async def withdraw(self, run_id: str) -> None:
        self.runs.pop(run_id, None)

    async def persist(self, run_id: str) -> None:
        await self.get(run_id)

    async def start(self, run_id: str, attempt: int) -> Run:
        return self._changed(run_id, status=RunStatus.RUNNING, attempt=attempt)

    async def finish(self, run_id: str, attempt: int, outcome: Outcome) -> Run:
        run = await self.get(run_id)
        return self._changed(run_id, **structs.asdict(outcome), started_at=run.created_at, ended_at=run.created_at)

    async def get(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise RunNotFound(f"there is no run {run_id}.")
        return self.runs[run_id]

    async def list_runs(
        self,
        *,
        function_id: str | None = None,
        status: RunStatus | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> ports.Page[Run]:
        found = [
            structs.replace(run, input=UNSET)
            for run in reversed(self.runs.values())
            if function_id in (None, run.function_id) and status in (None, run.status)
        ]
        return page(found, limit, cursor)

    async def reopen(self, run_id: str) -> Run:
        if (await self.get(run_id)).status is not RunStatus.DEAD:
            raise RunEnded(f"the run {run_id} is not dead.")
        self.runs[run_id] = structs.replace(self.runs[run_id], status=RunStatus.QUEUED)
        return self.runs[run_id]

    def _changed(self, run_id: str, **changes: object) -> Run:
        if run_id not in self.runs:
            raise RunNotFound(f"there is no run {run_id}.")
        if self.runs[run_id].status.ended:
            raise RunEnded(f"the run {run_id} has ended.")
        self.runs[run_id] = structs.replace(self.runs[run_id], **changes)
        return self.runs[run_id]


class FakeTaskQueue(ports.TaskQueue):
    def __init__(self, *, max_backlog: int) -> None:
        self.tasks: asyncio.Queue[Task] = asyncio.Queue()
        self._max_backlog = max_backlog
        self._receipts = count()

    async def send(self, task: Task, *, durable: bool, delay_s: float = 0.0) -> None:
        if self.tasks.qsize() >= self._max_backlog:
            raise BacklogFull("the backlog is full.", retry_after_s=7)
        self.tasks.put_nowait(task)

    async def receive(self, *, limit: int, wait_s: float) -> list[Lease]:
        return [Lease(task=await self.tasks.get(), receipt=str(next(self._receipts)), attempt=1)]

    async def extend(self, lease: Lease) -> None: ...

    async def ack(self, lease: Lease) -> None: ...

    async def release(self, lease: Lease, *, delay_s: float = 0.0, failed: bool) -> None: ...

    async def depth(self) -> Depth:
        return Depth(visible=self.tasks.qsize(), in_flight=0)

    @property
    def lease_s(self) -> float:
        return 30.0


class FakeDeadLetters(ports.DeadLetters):
    def __init__(self) -> None:
        self.letters: dict[str, DeadLetter] = {}

    async def bury(self, lease: Lease, reason: str) -> DeadLetter:
        raise NotImplementedError

    async def list_letters(self, *, limit: int, cursor: str | None = None) -> ports.Page[DeadLetter]:
        return page(list(self.letters.values()), limit, cursor)

    async def redrive(self, run_id: str) -> None:
        if self.letters.pop(run_id, None) is None:
            raise DeadLetterNotFound(f"no dead letter belongs to {run_id}.")


class FakeListener(ports.Listener):
    def __init__(self) -> None:
        self.news: asyncio.Future[Run] = asyncio.get_running_loop().create_future()

    async def wait(self, timeout_s: float) -> Run | None:
        done, _ = await asyncio.wait({self.news}, timeout=timeout_s)
        return self.news.result() if done else None


class FakeResultBus(ports.ResultBus):
    def __init__(self) -> None:
        self.listeners: dict[str, list[FakeListener]] = {}

    @asynccontextmanager
    async def listen(self, run_id: str) -> AsyncIterator[FakeListener]:
        listener = FakeListener()
        self.listeners.setdefault(run_id, []).append(listener)
        yield listener

    async def publish(self, run: Run) -> None:
        for listener in self.listeners.pop(run.run_id, []):
            listener.news.set_result(run)

    def cancellations(self):
        raise NotImplementedError


class FakeLogFeed(ports.LogFeed):
    def __init__(self) -> None:
        self.followers: list[asyncio.Queue[LogLine]] = []

    def publish(self, lines: list[LogLine]) -> None:
        for follower in self.followers:
            for line in lines:
                follower.put_nowait(line)

    @asynccontextmanager
    async def follow(self, function_id: str) -> AsyncIterator[AsyncIterator[LogLine]]:
        queue: asyncio.Queue[LogLine] = asyncio.Queue()
        self.followers.append(queue)
        try:
            yield _lines(queue)
        finally:
            self.followers.remove(queue)


async def _lines(queue: asyncio.Queue[LogLine]) -> AsyncIterator[LogLine]:
    while True:
        yield await queue.get()
