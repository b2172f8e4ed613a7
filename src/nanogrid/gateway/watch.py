"""Ends the connections of clients that are too slow. One look at all of them costs less than a timer for each."""

import asyncio

from nanogrid.gateway.protocol import HoldUp, Protocol
from nanogrid.model import Record
from nanogrid.observe import Log


class Patience(Record, frozen=True, kw_only=True):
    """How slow a client may be."""

    #: From a connection's begin, or a request's first byte, to the end of its head, in seconds.
    head_s: float = 10.0
    #: Between two requests, in seconds.
    idle_s: float = 75.0
    #: How long the rest of a body is still taken after an answer that did not need it, in seconds.
    rest_s: float = 10.0
    #: How long a client may take to close after it has been told that the connection ends, in seconds.
    close_s: float = 2.0
    #: How long the reader of an answer is given for each `read_s * min_bytes_per_s` bytes, in seconds.
    read_s: float = 30.0
    min_bytes_per_s: int = 1024
    #: From one look to the next, in seconds; the other times are exact to this.
    look_s: float = 0.5


class Watch:
    """Looks after the connections of one server."""

    def __init__(self, connections: set[Protocol], log: Log, patience: Patience) -> None:
        """`connections` are those that are open, whenever it looks."""
        self._connections = connections
        self._log = log
        self._patience = patience
        self._limits = {HoldUp.HEAD: patience.head_s, HoldUp.REST: patience.rest_s, HoldUp.CLOSE: patience.close_s}
        #: Since when each connection has had the hold-up that it has.
        self._held: dict[Protocol, tuple[tuple[HoldUp, int], float]] = {}
        #: When each slow reader's present stretch began, and what it had taken by then.
        self._reading: dict[Protocol, tuple[float, int]] = {}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(self._patience.look_s)
            now = loop.time()
            try:
                self.look(before, now)
            except Exception as exc:  # noqa: BLE001 - a loop's top: one connection's fault must not unguard the others
                self._log.error("gateway.watch_failed", exc_info=exc)
            before = now

    def look(self, before: float, now: float) -> None:
        """Cut off who has made the server wait too long. What is new has begun since the look `before`."""
        held, self._held = self._held, {}
        reading, self._reading = self._reading, {}
        for connection in list(self._connections):
            self._look_for_hold_up(connection, held.get(connection), before, now)
            self._look_for_reader(connection, reading.get(connection), now)

    def _look_for_hold_up(
        self, connection: Protocol, known: tuple[tuple[HoldUp, int], float] | None, before: float, now: float
    ) -> None:
        hold_up = connection.hold_up
        if hold_up is None:
            return
        if known is None or known[0] != hold_up:
            self._held[connection] = (hold_up, before)
        elif now - known[1] < self._limits[hold_up[0]]:
            self._held[connection] = known
        else:
            connection.cut()

    def _look_for_reader(self, connection: Protocol, known: tuple[float, int] | None, now: float) -> None:
        transport = connection.transport
        if not transport.left:
            return
        if known is None:
            self._reading[connection] = (now, transport.taken)
        elif now - known[0] < self._patience.read_s:
            self._reading[connection] = known
        elif transport.taken - known[1] < self._patience.read_s * self._patience.min_bytes_per_s:
            transport.abort()
        else:
            self._reading[connection] = (now, transport.taken)
