"""The one connection that a process listens on at Redis."""

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis as Client

from aws_services import Redis
from nanogrid.backends.aws.subscriptions import Subscriptions


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    server.start()
    yield server
    server.stop()


async def test_a_ping_while_nothing_is_subscribed_ends_nothing(redis):
    client = Client.from_url(redis.url, protocol=2)
    subscriptions = Subscriptions(client)
    running = asyncio.create_task(subscriptions.run())
    async with asyncio.timeout(20):
        while not subscriptions.up:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0)
        await subscriptions._connection.send_command("PING")
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await subscriptions.add("news", heard.put_nowait)
        await client.publish("news", "something")
        assert await heard.get() == b"something"

    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await client.aclose()
