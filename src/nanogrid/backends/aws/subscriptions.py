"""One connection to Redis on which this process hears everything that it listens for.

While Redis is away everybody is told so, and may look elsewhere; when it is back, all subscriptions are made anew.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Connection, Redis
from redis.exceptions import RedisError

from nanogrid.backends.aws.cancellation import heeding_cancellation

#: Hears what is published on a channel; None says that something may have been missed.
Hearer = Callable[[bytes | None], None]

#: How long a new subscription waits for its confirmation, in seconds; it goes on without then.
_CONFIRM_S = 3.0
_FIRST_PAUSE_S = 0.05
_LAST_PAUSE_S = 2.0
#: The other side is asked whether it is there so often, and given up after so long, in seconds.
_PING_S = 5.0
_SILENCE_S = 12.0
_AWAY = (RedisError, OSError, TimeoutError, asyncio.IncompleteReadError)


class Subscriptions:
    """Hearers by channel."""

    def __init__(self, redis: Redis) -> None:
        """`run` has to run besides. The client lends nothing but its connections' settings."""
        self._pool = redis.connection_pool
        self._hearers: dict[str, list[Hearer]] = {}
        #: Who waits for the confirmation of his subscription, in the order of the requests.
        self._unconfirmed: dict[str, deque[asyncio.Future[None]]] = {}
        self._commands: deque[tuple[str, str]] = deque()
        self._commanded = asyncio.Event()
        #: Whether Redis is there now.
        self.up = False
        self._tried = asyncio.Event()
        self._connection: Connection | None = None

    async def add(self, channel: str, hearer: Hearer) -> None:
        """Hear what is published on the channel from when this returns, unless Redis is away."""
        self._hearers.setdefault(channel, []).append(hearer)
        if self._tried.is_set() and not self.up:
            return
        confirmed = asyncio.get_running_loop().create_future()
        self._unconfirmed.setdefault(channel, deque()).append(confirmed)
        self._command("SUBSCRIBE", channel)
        await asyncio.wait([confirmed], timeout=_CONFIRM_S)
        if not confirmed.done() and self._connection is not None:
            # It hangs; the next one need not wait so long to learn it.
            with suppress(*_AWAY):
                await self._connection.disconnect(nowait=True)

    def remove(self, channel: str, hearer: Hearer) -> None:
        """Hear no more."""
        hearers = self._hearers[channel]
        hearers.remove(hearer)
        if not hearers:
            del self._hearers[channel]
            if self.up:
                self._command("UNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await self._serve(connection)
            except* _AWAY:
                pass
            finally:
                was_up, self.up = self.up, False
                self._tell_all()
                with suppress(*_AWAY):
                    await connection.disconnect(nowait=True)
            pause = _FIRST_PAUSE_S if was_up else min(pause * 2, _LAST_PAUSE_S)
            await asyncio.sleep(pause)

    async def _serve(self, connection: Connection) -> None:
        try:
            with heeding_cancellation():
                await connection.connect()  # type: ignore[no-untyped-call]
        finally:
            self._tried.set()
        # Whoever came while there was nothing has to be subscribed first; then everybody may have missed something.
        self._commands.clear()
        self._commands.extend(("SUBSCRIBE", channel) for channel in self._hearers)
        self._commanded.set()
        self._connection, self.up = connection, True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(connection))
            group.create_task(self._ping(connection))
            group.create_task(self._read(connection))

    async def _write(self, connection: Connection) -> None:
        while True:
            await self._commanded.wait()
            self._commanded.clear()
            while self._commands:
                kind, channels = self._next_commands()
                await connection.send_command(kind, *channels)

    def _next_commands(self) -> tuple[str, list[str]]:
        kind = self._commands[0][0]
        channels = []
        while self._commands and self._commands[0][0] == kind:
            channels.append(self._commands.popleft()[1])
        return kind, channels

    async def _ping(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            await connection.send_command("PING")

    async def _read(self, connection: Connection) -> None:
        while True:
            answer = await connection.read_response(disable_decoding=True, timeout=_SILENCE_S)
            if isinstance(answer, bytes):
                # Where nothing is subscribed, a PING is answered with a plain word.
                continue
            kind, channel, data = answer[0], answer[1].decode(), answer[-1]
            if kind == b"message":
                for hearer in list(self._hearers.get(channel, ())):
                    hearer(data)
            elif kind == b"subscribe":
                self._confirm(channel)

    def _confirm(self, channel: str) -> None:
        waiting = self._unconfirmed.get(channel)
        if not waiting:
            return
        confirmed = waiting.popleft()
        if not confirmed.done():
            confirmed.set_result(None)
        if not waiting:
            del self._unconfirmed[channel]

    def _tell_all(self) -> None:
        for waiting in self._unconfirmed.values():
            for confirmed in waiting:
                if not confirmed.done():
                    confirmed.set_result(None)
        self._unconfirmed.clear()
        for hearers in list(self._hearers.values()):
            for hearer in list(hearers):
                hearer(None)

    def _command(self, kind: str, channel: str) -> None:
        self._commands.append((kind, channel))
        self._commanded.set()
