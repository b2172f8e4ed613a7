"""The result bus on Redis: it wakes, and keeps the ended run for a while; the run store is the truth.

Whoever waits looks at the kept run when he is woken, then at the store. While Redis is away he looks at the store now
and then, and now and then also while it is there: whoever published may not have reached it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import UNSET, structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nanogrid.backends.aws.cancellation import heeding_cancellation
from nanogrid.backends.aws.subscriptions import Subscriptions
from nanogrid.backends.followers import Followers
from nanogrid.errors import NanoGridError
from nanogrid.model import Run, RunStatus
from nanogrid.ports import Listener, ResultBus, RunStore

_CANCELLED = "nanogrid:cancelled"
_CANCELLATIONS_KEPT = 10_000
#: How long an ended run is kept in Redis, in seconds, and how large it may be, in bytes.
_KEPT_S = 60
_KEPT_BYTES = 256 * 1024
#: How long Redis is left alone after it did not answer, in seconds.
_LEFT_ALONE_S = 1.0
#: Pauses between looks at the store, in seconds: while Redis is there, and from first to last while it is away.
_CALM_S = 5.0
_FIRST_PAUSE_S = 0.1
_LAST_PAUSE_S = 1.0
#: How long the last look may take beyond the wait, in seconds.
_OVERTIME_S = 1.0

_decoder = msgspec.json.Decoder(Run)


class AwsResultBus(ResultBus):
    """A channel and a key for each run that somebody waits for."""

    def __init__(self, redis: Redis, subscriptions: Subscriptions, run_store: RunStore) -> None:
        """`run_store` is where whoever waits looks."""
        self._redis = redis
        self._subscriptions = subscriptions
        self._run_store = run_store
        self._listeners: set[_AwsListener] = set()
        self._asked_again_at = 0.0

    @asynccontextmanager
    async def listen(self, run_id: str) -> AsyncIterator[Listener]:
        """See the port."""
        listener = _AwsListener(self, run_id)
        self._listeners.add(listener)
        channel = _channel(run_id)
        try:
            await self._subscriptions.add(channel, listener.hear)
            yield listener
        finally:
            self._listeners.discard(listener)
            self._subscriptions.remove(channel, listener.hear)

    async def publish(self, run: Run) -> None:
        """See the port. Where Redis hangs it takes as long as Redis is given to answer."""
        if self._left_alone:
            return
        pipeline = self._redis.pipeline(transaction=False)
        content = msgspec.json.encode(run)
        if len(content) <= _KEPT_BYTES:
            pipeline.set(_key(run.run_id), content, ex=_KEPT_S)
        pipeline.publish(_channel(run.run_id), b"")
        if run.status is RunStatus.CANCELLED:
            pipeline.publish(_CANCELLED, run.run_id)
        try:
            await pipeline.execute()
        except (RedisError, OSError):
            self._leave_alone()

    def wake_all(self) -> None:
        """See the port."""
        for listener in self._listeners:
            listener.dismiss()

    @asynccontextmanager
    async def cancellations(self) -> AsyncIterator[AsyncIterator[str]]:
        """See the port."""
        followers = Followers[str](_CANCELLATIONS_KEPT)

        def hear(run_id: bytes | None) -> None:
            if run_id is not None:
                followers.tell(run_id.decode())

        with followers.follow() as run_ids:
            await self._subscriptions.add(_CANCELLED, hear)
            try:
                yield run_ids
            finally:
                self._subscriptions.remove(_CANCELLED, hear)

    @property
    def up(self) -> bool:
        """Whether news can be expected from Redis."""
        return self._subscriptions.up

    async def look(self, run_id: str) -> Run | None:
        """The ended run, from Redis or else from the store; None where it has not ended, or nobody answers."""
        kept = await self._kept(run_id)
        if kept is not None:
            return kept
        try:
            run = await self._run_store.get(run_id)
        except NanoGridError:
            return None
        return structs.replace(run, input=UNSET) if run.status.ended else None

    async def _kept(self, run_id: str) -> Run | None:
        if self._left_alone:
            return None
        try:
            content = await self._redis.get(_key(run_id))
        except (RedisError, OSError):
            self._leave_alone()
            return None
        return None if content is None else _decoder.decode(content)

    @property
    def _left_alone(self) -> bool:
        return asyncio.get_running_loop().time() < self._asked_again_at

    def _leave_alone(self) -> None:
        self._asked_again_at = asyncio.get_running_loop().time() + _LEFT_ALONE_S


class _AwsListener(Listener):
    def __init__(self, bus: AwsResultBus, run_id: str) -> None:
        self._bus = bus
        self._run_id = run_id
        self._news = asyncio.Event()
        self._dismissed = False

    async def wait(self, timeout_s: float) -> Run | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        pause = _FIRST_PAUSE_S
        while True:
            rest = max(0.0, deadline - loop.time())
            await self._pause(min(rest, _CALM_S if self._bus.up else pause))
            if self._dismissed:
                self._dismissed = False
                return None
            with heeding_cancellation():
                run = await self._look(max(0.0, deadline - loop.time()) + _OVERTIME_S)
            if run is not None or loop.time() >= deadline:
                return run
            pause = min(pause * 2, _LAST_PAUSE_S)

    def hear(self, _: bytes | None) -> None:
        self._news.set()

    def dismiss(self) -> None:
        self._dismissed = True
        self._news.set()

    async def _pause(self, seconds: float) -> None:
        """Return with the news, or when the time is over."""
        if not self._news.is_set() and seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return
        self._news.clear()

    async def _look(self, timeout_s: float) -> Run | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._bus.look(self._run_id)
        except TimeoutError:
            return None


def _channel(run_id: str) -> str:
    return f"nanogrid:ended:{run_id}"


def _key(run_id: str) -> str:
    return f"nanogrid:run:{run_id}"
