"""The SDK for programs that are not asynchronous: the same methods, waited for on a thread of their own."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent import futures
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

import httpx

from nanogrid.client.asynchronous import AsyncClient, Handle

A_co = TypeVar("A_co", covariant=True)
A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_END = object()


class LoopThread:
    """An event loop on its own thread."""

    def __init__(self) -> None:
        """Starts the thread, which ends with the program at the latest."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nanogrid-client", daemon=True)
        self._thread.start()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns or raises; it is cancelled when the caller is interrupted."""
        if self._loop.is_closed():
            coroutine.close()
            raise RuntimeError("this client is closed")
        outcome: futures.Future[T] = futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(coroutine))
            tasks[0].add_done_callback(partial(_copy, outcome))

        def end() -> None:
            tasks[0].cancel()

        self._loop.call_soon_threadsafe(begin)
        try:
            return outcome.result()
        except KeyboardInterrupt:
            self._loop.call_soon_threadsafe(end)
            # Whoever cleans up next must not meet it while it still runs.
            futures.wait([outcome])
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items one by one; nothing is fetched before it is asked for."""
        try:
            while (item := self.wait(_next_or_end(items))) is not _END:
                yield item  # type: ignore[misc]
        finally:
            if not self._loop.is_closed():
                self.wait(_closed(items))

    @property
    def closed(self) -> bool:
        """Whether the thread has ended."""
        return self._loop.is_closed()

    def close(self) -> None:
        """End the loop and its thread. Idempotent."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Face(Protocol[A_co]):
    """Something asynchronous, and the thread on which to wait for it."""

    @property
    def _thread(self) -> LoopThread: ...

    @property
    def _inner(self) -> A_co: ...


def _waiting(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[_Face[A], P], R]:
    """The method, blocking."""

    @wraps(method)
    def call(self: _Face[A], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.wait(method(self._inner, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[A, P], AsyncIterator[R]],
) -> Callable[Concatenate[_Face[A], P], Iterator[R]]:
    """The method, with a plain iterator."""

    @wraps(method)
    def call(self: _Face[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return self._thread.iterate(method(self._inner, *args, **kwargs))

    return call


class BlockingHandle:
    """A run that was submitted; see `Handle`."""

    def __init__(self, thread: LoopThread, handle: Handle) -> None:
        """`Client.submit` and `Client.handle` make one."""
        self._thread = thread
        self._inner = handle
        self.run_id = handle.run_id

    def __repr__(self) -> str:
        return f"BlockingHandle({self.run_id!r})"

    result = _waiting(Handle.result)
    status = _waiting(Handle.status)
    cancel = _waiting(Handle.cancel)


class Client:
    """One grid; each method is the one of `AsyncClient`, blocking. Close it, or use `with`. Safe for many threads."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float = 30.0,
        environ: Mapping[str, str] = os.environ,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """As `AsyncClient`."""
        self._inner = AsyncClient(url, token, timeout=timeout, patience=patience, environ=environ, transport=transport)
        self._thread = LoopThread()

    @property
    def url(self) -> str:
        """Where the grid is."""
        return self._inner.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread. Idempotent."""
        if not self._thread.closed:
            self._thread.wait(self._inner.close())
            self._thread.close()

    deploy = _waiting(AsyncClient.deploy)
    functions = _iterating(AsyncClient.functions)
    function = _waiting(AsyncClient.function)
    versions = _waiting(AsyncClient.versions)
    delete = _waiting(AsyncClient.delete)
    run = _waiting(AsyncClient.run)
    invoke = _waiting(AsyncClient.invoke)
    stream = _iterating(AsyncClient.stream)
    get_run = _waiting(AsyncClient.get_run)
    wait = _waiting(AsyncClient.wait)
    runs = _iterating(AsyncClient.runs)
    cancel = _waiting(AsyncClient.cancel)
    logs = _iterating(AsyncClient.logs)
    artifacts = _waiting(AsyncClient.artifacts)
    artifact = _waiting(AsyncClient.artifact)
    dead_letters = _iterating(AsyncClient.dead_letters)
    redrive = _waiting(AsyncClient.redrive)
    openapi = _waiting(AsyncClient.openapi)
    configure = _waiting(AsyncClient.configure)
    explain = _waiting(AsyncClient.explain)
    tune = _waiting(AsyncClient.tune)
    rollback = _waiting(AsyncClient.rollback)
    code = _waiting(AsyncClient.code)
    aliases = _waiting(AsyncClient.aliases)
    set_alias = _waiting(AsyncClient.set_alias)
    delete_alias = _waiting(AsyncClient.delete_alias)
    set_secret = _waiting(AsyncClient.set_secret)
    secrets = _iterating(AsyncClient.secrets)
    delete_secret = _waiting(AsyncClient.delete_secret)
    rotate_vault = _waiting(AsyncClient.rotate_vault)
    add_schedule = _waiting(AsyncClient.add_schedule)
    change_schedule = _waiting(AsyncClient.change_schedule)
    pause_schedule = _waiting(AsyncClient.pause_schedule)
    resume_schedule = _waiting(AsyncClient.resume_schedule)
    schedule = _waiting(AsyncClient.schedule)
    schedules = _iterating(AsyncClient.schedules)
    delete_schedule = _waiting(AsyncClient.delete_schedule)
    create_key = _waiting(AsyncClient.create_key)
    keys = _iterating(AsyncClient.keys)
    revoke_key = _waiting(AsyncClient.revoke_key)
    quota = _waiting(AsyncClient.quota)
    set_quota = _waiting(AsyncClient.set_quota)

    def submit(
        self,
        name: str,
        input: Any = None,  # noqa: A002 - the API's word
        *,
        idempotency_key: str | None = None,
    ) -> BlockingHandle:
        """As `AsyncClient.submit`."""
        submitted = self._inner.submit(name, input, idempotency_key=idempotency_key)
        return BlockingHandle(self._thread, self._thread.wait(submitted))

    def handle(self, run_id: str) -> BlockingHandle:
        """As `AsyncClient.handle`."""
        return BlockingHandle(self._thread, self._inner.handle(run_id))

    def map(
        self,
        name: str,
        inputs: Iterable[Any],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Iterator[Any]:
        """As `AsyncClient.map`; the inputs may block while they are read."""
        outputs = self._inner.map(
            name,
            _unblocked(inputs),
            concurrency=concurrency,
            ordered=ordered,
            return_exceptions=return_exceptions,
        )
        return self._thread.iterate(outputs)


def _copy(outcome: futures.Future[T], task: asyncio.Task[T]) -> None:
    """Hand a task's outcome to the thread that waits for it."""
    if task.cancelled():
        outcome.set_exception(futures.CancelledError())
    elif error := task.exception():
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())


async def _next_or_end(items: AsyncIterator[T]) -> T | object:
    return await anext(items, _END)


async def _closed(items: AsyncIterator[Any]) -> None:
    if isinstance(items, AsyncGenerator):
        await items.aclose()


async def _unblocked(inputs: Iterable[T]) -> AsyncIterator[T]:
    """The inputs, each read on a worker thread: what the caller's iterator waits for must not stop the runs."""
    iterator = iter(inputs)
    while (item := await asyncio.to_thread(next, iterator, _END)) is not _END:
        yield item  # type: ignore[misc]
