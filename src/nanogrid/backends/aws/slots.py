"""Slots: what limits the runs of a function, and of a tenant, over all workers. Redis holds them, each for a while.

A slot that is not held again runs out by itself, so that a worker that died blocks nobody for longer than its leases.
All times are Redis' own. Where Redis has lost its memory nobody gets a slot until all who hold one have said so.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import cast

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nanogrid.model import Task

#: How often slots are held again, in seconds.
HOLD_EVERY_S = 2.0
#: How long nobody gets a slot after Redis has lost its memory, in seconds: who holds one has said so by then.
SETTLE_S = 2.5 * HOLD_EVERY_S

#: Since when Redis remembers, see the module's text.
_BEGAN = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('SET', KEYS[1], now, 'NX')
"""
#: KEYS: when its memory began; a sorted set for each limit, its members by when they run out.
#: ARGV: how long to settle, how long a slot lasts, the limits, the members. Answers how many of these have slots.
_TAKE = (
    _BEGAN
    + """
local settle, lasts, limits = tonumber(ARGV[1]), tonumber(ARGV[2]), #KEYS - 1
if now - tonumber(redis.call('GET', KEYS[1])) < settle then return 0 end
for i = 1, limits do redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now) end
local taken = 0
for m = limits + 3, #ARGV do
  for i = 1, limits do
    local known = redis.call('ZSCORE', KEYS[i + 1], ARGV[m])
    if not known and redis.call('ZCARD', KEYS[i + 1]) >= tonumber(ARGV[i + 2]) then return taken end
  end
  for i = 1, limits do
    redis.call('ZADD', KEYS[i + 1], now + lasts, ARGV[m])
    redis.call('PEXPIRE', KEYS[i + 1], lasts)
  end
  taken = taken + 1
end
return taken
"""
)
#: KEYS: likewise, with one set. ARGV: how long a slot lasts, the members.
_HOLD = (
    _BEGAN
    + """
for m = 2, #ARGV do redis.call('ZADD', KEYS[2], now + ARGV[1], ARGV[m]) end
redis.call('PEXPIRE', KEYS[2], ARGV[1])
"""
)


class Limit(Struct, frozen=True):
    """At most so many at once under this key."""

    key: str
    most: int


def limits_of(task: Task) -> tuple[Limit, ...]:
    """What limits the task; nothing, for most."""
    limits = []
    if task.concurrency:
        limits.append(Limit(f"function:{task.function_id}", task.concurrency))
    if task.tenant_concurrency:
        limits.append(Limit(f"tenant:{task.tenant}", task.tenant_concurrency))
    return tuple(limits)


class Slots:
    """Sorted sets `nanogrid:slots:<grid>:<limit>`."""

    def __init__(self, redis: Redis, grid: str, *, lasts_s: float, settle_s: float = SETTLE_S) -> None:
        """`grid` keeps grids apart that share a Redis; `lasts_s` is how long a slot lasts that nobody holds again."""
        self._redis = redis
        self._prefix = f"nanogrid:slots:{grid}:"
        self._began = f"{self._prefix}began"
        self._lasts_ms = round(lasts_s * 1000)
        self._settle_ms = round(settle_s * 1000)

    async def take(self, limits: Sequence[Limit], members: Sequence[str]) -> int:
        """Take a slot for each, in this order, while there are any; how many have one, none where Redis is away."""
        keys = [self._began, *(self._prefix + limit.key for limit in limits)]
        values: list[str | int] = [self._settle_ms, self._lasts_ms, *(limit.most for limit in limits), *members]
        try:
            return int(await self._eval(_TAKE, keys, values))
        except (RedisError, OSError):
            return 0

    async def hold(self, held: Mapping[str, Iterable[str]]) -> None:
        """Hold slots for their full time again: members by the limit's key. Nothing happens where Redis is away."""
        try:
            for key, members in held.items():
                await self._eval(_HOLD, [self._began, self._prefix + key], [self._lasts_ms, *members])
        except (RedisError, OSError):
            return

    async def give(self, limits: Iterable[Limit], member: str) -> None:
        """Give a slot back. Where Redis is away it runs out by itself."""
        try:
            for limit in limits:
                await self._redis.zrem(self._prefix + limit.key, member)
        except (RedisError, OSError):
            return

    async def begin(self) -> None:
        """Let Redis remember from now on, where it does not yet: the first run need not wait for that."""
        try:
            await self._eval(_BEGAN, [self._began], [])
        except (RedisError, OSError):
            return

    def _eval(self, script: str, keys: list[str], values: Sequence[str | int]) -> Awaitable[str]:
        return cast("Awaitable[str]", self._redis.eval(script, len(keys), *keys, *map(str, values)))
