"""Passes news on to whoever follows, without ever waiting for them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from msgspec import structs

from nanogrid.model import LogLine

T = TypeVar("T")


class _Queue(asyncio.Queue[T]):
    """What one follower has still to read."""

    #: How much was lost since it last read.
    lost = 0


class Followers(Generic[T]):
    """Any number of followers; each is behind by so much at most, and loses the oldest news beyond."""

    def __init__(self, kept: int, notice: Callable[[int, T], T] | None = None) -> None:
        """`kept` is how much news is kept for a follower who is busy.

        `notice` makes the news that so much was lost, out of how much it was and what came next.
        """
        self._kept = kept
        self._notice = notice
        self._queues: list[_Queue[T]] = []

    def __bool__(self) -> bool:
        return bool(self._queues)

    def tell(self, news: T) -> None:
        """Pass the news on."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
                queue.lost += 1
            queue.put_nowait(news)

    @contextmanager
    def follow(self) -> Iterator[AsyncIterator[T]]:
        """All news from now on, until the context ends."""
        queue = _Queue[T](self._kept)
        self._queues.append(queue)
        try:
            yield self._all_from(queue)
        finally:
            self._queues.remove(queue)

    async def _all_from(self, queue: _Queue[T]) -> AsyncIterator[T]:
        while True:
            news = await queue.get()
            if queue.lost and self._notice is not None:
                yield self._notice(queue.lost, news)
                queue.lost = 0
            yield news


def lines_lost(count: int, following: LogLine) -> LogLine:
    """The line that tells of those before it which a follower has lost."""
    text = f"... {count} lines were too many to be shown live; the logs of their runs have them ..."
    return structs.replace(following, text=text)
