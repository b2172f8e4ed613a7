"""What talks to Redis in the background ends when it is cancelled, at whatever moment: else no process would end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from aws_services import AwsServices
from nanogrid.backends.aws.slots import Slots
from nanogrid.backends.aws.subscriptions import Subscriptions
from nanogrid.backends.aws.turns import Turns
from nanogrid.clock import Clock

#: So many turns of the loop take a new connection to its first answer, and more.
MOMENTS = 60


def turns(redis: Redis) -> Awaitable[None]:
    return Turns(Slots(redis, "grid", lasts_s=600), Clock(), lambda: None).run()


def subscriptions(redis: Redis) -> Awaitable[None]:
    return Subscriptions(redis).run()


@pytest.mark.parametrize("begin", [turns, subscriptions])
async def test_it_ends_when_cancelled_at_any_moment(aws_services: AwsServices, begin: Callable[[Redis], Awaitable]):
    for moment in range(MOMENTS):
        async with Redis.from_url(aws_services.redis.url) as redis:
            running = asyncio.ensure_future(begin(redis))
            for _ in range(moment):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait([running])

            assert running.cancelled()
