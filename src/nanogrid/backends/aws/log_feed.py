"""The log feed on Redis: lines are passed on in groups, and lost where nobody can take them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nanogrid.backends.aws.cancellation import heeding_cancellation
from nanogrid.backends.aws.subscriptions import Subscriptions
from nanogrid.backends.followers import Followers, lines_lost
from nanogrid.model import LogLine
from nanogrid.ports import LogFeed

#: Lines that a follower may be behind with.
_LINES_KEPT = 1_000
#: Lines on their way to Redis; older ones are lost.
_LINES_WAITING = 10_000
_LINES_AT_ONCE = 500

_decoder = msgspec.json.Decoder(list[LogLine])


class AwsLogFeed(LogFeed):
    """A channel for each function."""

    def __init__(self, redis: Redis, subscriptions: Subscriptions) -> None:
        """`run` has to run besides."""
        self._redis = redis
        self._subscriptions = subscriptions
        self._waiting: deque[LogLine] = deque(maxlen=_LINES_WAITING)
        self._written = asyncio.Event()

    def publish(self, lines: list[LogLine]) -> None:
        """See the port."""
        self._waiting.extend(lines)
        self._written.set()

    @asynccontextmanager
    async def follow(self, function_id: str) -> AsyncIterator[AsyncIterator[LogLine]]:
        """See the port."""
        followers = Followers[LogLine](_LINES_KEPT, lines_lost)

        def hear(content: bytes | None) -> None:
            for line in _decoder.decode(content) if content else ():
                followers.tell(line)

        channel = _channel(function_id)
        with followers.follow() as lines:
            await self._subscriptions.add(channel, hear)
            try:
                yield lines
            finally:
                self._subscriptions.remove(channel, hear)

    async def run(self) -> None:
        """Pass lines on until cancelled."""
        while True:
            await self._written.wait()
            self._written.clear()
            while self._waiting:
                with suppress(RedisError, OSError), heeding_cancellation():
                    await self._pass_on()

    async def _pass_on(self) -> None:
        lines = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LINES_AT_ONCE))]
        groups: dict[str, list[LogLine]] = {}
        for line in lines:
            groups.setdefault(line.function_id, []).append(line)
        pipeline = self._redis.pipeline(transaction=False)
        for function_id, group in groups.items():
            pipeline.publish(_channel(function_id), msgspec.json.encode(group))
        await pipeline.execute()


def _channel(function_id: str) -> str:
    return f"nanogrid:logs:{function_id}"
