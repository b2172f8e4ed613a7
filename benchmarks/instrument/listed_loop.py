"""A list of requests, each sent once: one after the other, or all at the same moment, or something between."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from nanogrid.cli.load import Connection, Tally, Target, connect
from nanogrid.client import ConnectionFailed


class ListedLoop:
    """So many clients share the list; a client takes the next request when its last is answered."""

    def __init__(self, targets: Sequence[Target], *, pause_s: float = 0.0) -> None:
        """All targets live at one address. A client rests for the pause before each request but its first."""
        self.tally = Tally()
        self._pause_s = pause_s
        self._place = targets[0]
        self._left = deque(targets)
        self._missing = len(targets)
        self._sent: dict[Connection, Target] = {}
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, clients: int, *, patience_s: float) -> Tally:
        """Send all, wait for all. Raises `ConnectionFailed`."""
        connections = [Connection(self._answered, self._lost) for _ in range(min(clients, self._missing))]
        for connection in connections:
            await connect(self._place, connection)
        start = time.perf_counter()
        for connection in connections:
            self._send(connection)
        try:
            await asyncio.wait_for(self._over, patience_s)
        except TimeoutError as exc:
            raise ConnectionFailed(f"{self._missing} requests were not answered in {patience_s:.0f} s.") from exc
        self.tally.seconds = time.perf_counter() - start
        for connection in connections:
            connection.close()
        return self.tally

    def _send(self, connection: Connection) -> None:
        if not self._left:
            return
        target = self._sent[connection] = self._left.popleft()
        connection.since = time.perf_counter()
        connection.send(target.request)

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        now = time.perf_counter()
        if self._sent[connection].accepts(status, body):
            self.tally.right(now - connection.since)
        else:
            self.tally.refuse(status, body)
        self._missing -= 1
        if not self._missing and not self._over.done():
            self._over.set_result(None)
        elif self._pause_s:
            asyncio.get_running_loop().call_later(self._pause_s, self._send, connection)
        else:
            self._send(connection)

    def _lost(self, _connection: Connection, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(ConnectionFailed(f"a connection ended under load: {exc or 'closed'}."))
