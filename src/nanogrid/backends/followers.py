"""Passes news on to whoever follows, without ever waiting for them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Followers(Generic[T]):
    """Any number of followers; each is behind by so much at most, and loses the oldest news beyond."""

    def __init__(self, kept: int) -> None:
        """`kept` is how much news is kept for a follower who is busy."""
        self._kept = kept
        self._queues: list[asyncio.Queue[T]] = []

    def __bool__(self) -> bool:
        return bool(self._queues)

    def tell(self, news: T) -> None:
        """Pass the news on."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(news)

    @contextmanager
    def follow(self) -> Iterator[AsyncIterator[T]]:
        """All news from now on, until the context ends."""
        queue = asyncio.Queue[T](self._kept)
        self._queues.append(queue)
        try:
            yield _all_from(queue)
        finally:
            self._queues.remove(queue)


async def _all_from(queue: asyncio.Queue[T]) -> AsyncIterator[T]:
    while True:
        yield await queue.get()
