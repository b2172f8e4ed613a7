"""Arrivals that do not wait for answers, as the world's do not: load without coordinated omission."""

import asyncio
import random
import selectors
import time
from collections import deque
from collections.abc import Iterator

from nanogrid.cli.load import Connection, Tally, Target, connect
from nanogrid.client import ConnectionFailed

#: How long to wait for what is still under way at the end, in seconds.
_PATIENCE_S = 30.0


def precise_loop() -> asyncio.AbstractEventLoop:
    """An event loop that keeps time to some 60 us; epoll, which uvloop uses too, only wakes up on milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def poisson(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Moments of arrival, in seconds from the start: independent of each other, `rate` per second on average."""
    arrivals = random.Random(seed)  # noqa: S311 - repeatable, not secret
    at = arrivals.expovariate(rate)
    while at < seconds:
        yield at
        at += arrivals.expovariate(rate)


def steady(rate: float, seconds: float) -> Iterator[float]:
    """Moments of arrival at equal distances."""
    return (number / rate for number in range(int(rate * seconds)))


class OpenLoop:
    """Sends when it is time to. A latency counts from when its request was due, whether or not it could be sent."""

    def __init__(self, target: Target, *, connections: int) -> None:
        """`connections` is how many requests can be under way; what is due beyond waits, and its latency grows."""
        self.tally = Tally()
        #: How late requests were sent though a connection was free: the generator's own fault. Seconds.
        self.lateness = Tally()
        #: When requests were due that found no free connection yet.
        self.waiting: deque[float] = deque()
        self._target = target
        self._size = connections
        self._connections: list[Connection] = []
        self._free: list[Connection] = []
        self._failure: Exception | None = None
        self._ended = False
        self._replacing: set[asyncio.Task[None]] = set()

    async def run(self, arrivals: Iterator[float], seconds: float) -> Tally:
        """Send at each arrival, wait for the last answers. Raises `ConnectionFailed`."""
        while len(self._free) < self._size:
            await self._open()
        self.tally.seconds = seconds
        try:
            await self._send_all(arrivals)
            await self._settle()
        finally:
            self._ended = True
            for connection in self._connections:
                connection.close()
        return self.tally

    async def _open(self) -> None:
        connection = Connection(self._answered, self._lost)
        await connect(self._target, connection)
        self._connections.append(connection)
        self._free.append(connection)

    async def _send_all(self, arrivals: Iterator[float]) -> None:
        start = time.perf_counter()
        for arrival in arrivals:
            due = start + arrival
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            self._raise_failure()
            if self._free:
                self.lateness.right(time.perf_counter() - due)
                self._send(self._free.pop(), due)
            else:
                self.waiting.append(due)

    async def _settle(self) -> None:
        end = time.perf_counter() + _PATIENCE_S
        while len(self._free) < self._size:
            self._raise_failure()
            if time.perf_counter() > end:
                raise ConnectionFailed(f"{self._size - len(self._free)} requests were not answered.")
            await asyncio.sleep(0.01)

    def _send(self, connection: Connection, due: float) -> None:
        connection.since = due
        connection.send(self._target.request)

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        if self._target.accepts(status, body):
            self.tally.right(time.perf_counter() - connection.since)
        else:
            self.tally.refuse(status, body)
        if self.waiting:
            self._send(connection, self.waiting.popleft())
        else:
            self._free.append(connection)

    def _lost(self, connection: Connection, exc: Exception | None) -> None:
        if self._ended:
            return
        if connection not in self._free:
            self._failure = ConnectionFailed(f"a connection ended under load: {exc or 'closed'}.")
            return
        # A server may end what idles: at a low rate most of these do, and some never send anything.
        self._free.remove(connection)
        self._connections.remove(connection)
        replacing = asyncio.get_running_loop().create_task(self._replace())
        self._replacing.add(replacing)
        replacing.add_done_callback(self._replacing.discard)

    async def _replace(self) -> None:
        try:
            await self._open()
        except ConnectionFailed as exc:
            self._failure = exc
            return
        if self.waiting:
            self._send(self._free.pop(), self.waiting.popleft())

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure
