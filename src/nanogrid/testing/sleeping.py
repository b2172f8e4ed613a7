"""`time.sleep` of a handler, by the clock that the test turns; of everybody else, as ever."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

from nanogrid.clock import Clock


class HandlerEnded(BaseException):
    """Raised in a handler that sleeps when its run is over: nobody waits for it any more."""


class Sleeping:
    """Who sleeps, of the handlers of one grid; each runs in a thread of its own."""

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is where the clock is turned."""
        self._clock = clock
        self._loop = loop
        self._sleepers: dict[int, Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads: set[int] = set()
        self._real_sleep = time.sleep

    @property
    def count(self) -> int:
        """How many sleep now."""
        return len(self._sleepers)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """As long as the context lasts, `time.sleep` asks here."""
        time.sleep = self.sleep  # type: ignore[assignment]
        try:
            yield
        finally:
            time.sleep = self._real_sleep

    @contextmanager
    def a_handler(self) -> Iterator[None]:
        """Within the context, this thread runs a handler."""
        thread = threading.get_ident()
        self._threads.add(thread)
        try:
            yield
        finally:
            self._threads.discard(thread)

    def sleep(self, seconds: float) -> None:
        """Sleep by the clock in a handler's thread, really in every other one. Raises `HandlerEnded`."""
        thread = threading.get_ident()
        if thread not in self._threads:
            self._real_sleep(seconds)
            return
        woken: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._lie_down, thread, seconds, woken)
        woken.result()

    def end(self, thread: int) -> None:
        """The run of the thread's handler is over: if the handler sleeps, it is woken for good."""
        self._threads.discard(thread)
        if (woken := self._sleepers.pop(thread, None)) is not None:
            woken.set_exception(HandlerEnded())

    def _lie_down(self, thread: int, seconds: float, woken: Future[None]) -> None:
        if thread not in self._threads:
            woken.set_exception(HandlerEnded())
            return
        self._sleepers[thread] = woken
        task = self._loop.create_task(self._wake(thread, seconds, woken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self, thread: int, seconds: float, woken: Future[None]) -> None:
        await self._clock.sleep(seconds)
        if self._sleepers.get(thread) is woken:
            del self._sleepers[thread]
            woken.set_result(None)

    def begin(self, handler: threading.Thread) -> partial[None]:
        """Start the thread of a handler; what is returned ends it."""
        handler.start()
        return partial(self.end, handler.ident or 0)
