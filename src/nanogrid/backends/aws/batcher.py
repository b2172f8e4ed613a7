"""Gathers what is asked for in one turn of the event loop into batches: ten messages cost about as much as one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Most that SQS takes at once.
MOST_ENTRIES = 10
MOST_BYTES = 1024 * 1024 - 16 * 1024


class Batcher(Generic[T]):
    """Batches of one kind of call. While as many are under way as may be, the next ones fill up."""

    def __init__(
        self,
        send: Callable[[list[T]], Awaitable[list[Exception | None]]],
        size_of: Callable[[T], int],
        *,
        parallel: int = 8,
    ) -> None:
        """`send` makes one call, and says for each entry whether it failed; it raises where all did."""
        self._send = send
        self._size_of = size_of
        self._parallel = parallel
        self._waiting: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def submit(self, entry: T) -> asyncio.Future[None]:
        """Done when the service has answered for the entry. Cancelling it takes nothing back."""
        loop = asyncio.get_running_loop()
        answered = loop.create_future()
        self._waiting.append((entry, answered))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._start)
        return answered

    async def flush(self) -> None:
        """Return when everything that was submitted is answered."""
        while self._under_way or self._waiting:
            await asyncio.wait(self._under_way) if self._under_way else await asyncio.sleep(0)

    def _start(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._under_way) < self._parallel:
            task = asyncio.create_task(self._call(self._next_batch()))
            self._under_way.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._start()

    def _next_batch(self) -> list[tuple[T, asyncio.Future[None]]]:
        batch, size = [self._waiting.popleft()], 0
        size = self._size_of(batch[0][0])
        while self._waiting and len(batch) < MOST_ENTRIES:
            size += self._size_of(self._waiting[0][0])
            if size > MOST_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _call(self, batch: list[tuple[T, asyncio.Future[None]]]) -> None:
        try:
            failures = await self._send([entry for entry, _ in batch])
        except Exception as exc:  # noqa: BLE001 - whatever it is, each of those who wait is told
            failures = [exc] * len(batch)
        for (_, answered), failure in zip(batch, failures, strict=True):
            if answered.done():
                continue
            if failure is None:
                answered.set_result(None)
            else:
                answered.set_exception(failure)
