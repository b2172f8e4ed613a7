"""A function's limit, and a tenant's, hold over all workers of a grid on AWS: Redis holds the slots."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis as Client

from aws_services import AwsServices, TurnedClock
from nanogrid.backends.aws import AwsBackend, AwsSettings, open_aws
from nanogrid.backends.aws.slots import Limit, Slots
from nanogrid.identifiers import new_function_id
from nanogrid.model import Lease
from records import some_task

TWO = (Limit("function:fn_1", 2),)


@pytest.fixture
def settings(aws_services: AwsServices) -> Iterator[AwsSettings]:
    with aws_services.stack(settle_s=0) as settings:
        yield settings
        aws_services.redis.ensure()


@pytest.fixture
def worker(aws_services: AwsServices, settings: AwsSettings):
    @asynccontextmanager
    async def open_worker() -> AsyncIterator[AwsBackend]:
        async with open_aws(settings, TurnedClock(aws_services.now), environ=aws_services.environ) as backend:
            yield backend

    return open_worker


class Slotted:
    """Slots as several workers have them: all the same."""

    def __init__(self, redis: Client, grid: str) -> None:
        self.redis, self.grid = redis, grid

    def worker(self, *, lasts_s: float = 600, settle_s: float = 0) -> Slots:
        return Slots(self.redis, self.grid, lasts_s=lasts_s, settle_s=settle_s)


@pytest.fixture
def slotted(aws_services: AwsServices, settings: AwsSettings):
    @asynccontextmanager
    async def open_slots() -> AsyncIterator[Slotted]:
        async with Client.from_url(aws_services.redis.url) as redis:
            yield Slotted(redis, settings.runs_table)

    return open_slots


async def send(backend: AwsBackend, count: int, **fields: object) -> None:
    for _ in range(count):
        await backend.task_queue.send(some_task(**{"function_id": new_function_id(), **fields}), durable=True)


async def received(backend: AwsBackend, wait_s: float = 0) -> list[Lease]:
    return await backend.task_queue.receive(limit=10, wait_s=wait_s)


async def test_a_function_s_limit_holds_over_two_workers(worker):
    function_id = new_function_id()
    async with worker() as first, worker() as second:
        await send(first, 3, function_id=function_id, concurrency=2)
        leases = await received(first)
        await send(first, 2, function_id=function_id, concurrency=2)
        none = await received(second)

    assert (len(leases), none) == (2, [])


async def test_a_tenant_s_limit_holds_over_two_workers_and_all_his_functions(worker):
    async with worker() as first, worker() as second:
        await send(first, 2, tenant="acme", tenant_concurrency=2)
        leases = await received(first)
        await send(first, 2, tenant="acme", tenant_concurrency=2)
        await send(first, 1, tenant="other", tenant_concurrency=2)
        others = await received(second)

    assert len(leases) == 2
    assert [lease.task.tenant for lease in others] == ["other"]


async def test_what_one_worker_is_done_with_another_may_begin(worker):
    function_id = new_function_id()
    async with worker() as first, worker() as second:
        await send(first, 1, function_id=function_id, concurrency=1)
        (lease,) = await received(first)
        await send(first, 1, function_id=function_id, concurrency=1)
        assert await received(second) == []
        await first.task_queue.ack(lease)
        leases: list[Lease] = []
        while not leases:
            leases = await received(second)

    assert leases[0].task.run_id != lease.task.run_id


async def test_no_worker_takes_more_slots_than_it_can_use(worker):
    function_id = new_function_id()
    async with worker() as first, worker() as second:
        await send(first, 2, function_id=function_id, concurrency=4)
        (one,) = await first.task_queue.receive(limit=1, wait_s=0)
        await send(first, 3, function_id=function_id, concurrency=4)
        leases = [one]
        while len(leases) < 4:
            leases += await received(second)
            await asyncio.sleep(0)

    assert len({lease.task.run_id for lease in leases}) == 4


async def test_while_redis_is_away_limited_tasks_wait_and_all_others_go_on(worker, aws_services):
    async with worker() as backend:
        aws_services.redis.stop()
        await send(backend, 2, concurrency=5)
        await send(backend, 2)
        free = await received(backend)
        aws_services.redis.start()
        limited: list[Lease] = []
        while len(limited) < 2:
            limited += await received(backend)
            await asyncio.sleep(0.01)

    assert [lease.task.concurrency for lease in free + limited] == [0, 0, 5, 5]


async def test_the_slots_of_a_worker_that_died_free_themselves(slotted):
    async with slotted() as slots:
        taken = await slots.worker(lasts_s=0.05).take(TWO, ["a", "b"])
        while not await slots.worker().take(TWO, ["c"]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

    assert taken == 2


async def test_a_slot_that_is_held_again_lasts_its_full_time_again(slotted):
    async with slotted() as slots:
        worker, key = slots.worker(), f"nanogrid:slots:{slots.grid}:function:fn_1"
        await worker.take(TWO, ["a"])
        first = await slots.redis.zscore(key, "a")
        while await slots.redis.zscore(key, "a") == first:
            await worker.hold({"function:fn_1": ["a"]})

        assert await slots.redis.zscore(key, "a") > first


async def test_a_slot_that_was_asked_for_twice_counts_once(slotted):
    async with slotted() as slots:
        worker = slots.worker()
        taken = [await worker.take(TWO, ["a", "b", "c"]), await worker.take(TWO, ["a", "b"])]
        await worker.give(TWO, "a")
        again = await worker.take(TWO, ["c", "d"])

    assert (taken, again) == ([2, 2], 1)


async def test_both_limits_have_to_have_room_or_neither_is_charged(slotted):
    function, tenant = Limit("function:fn_1", 1), Limit("tenant:acme", 1)
    async with slotted() as slots:
        worker = slots.worker()
        await worker.take((tenant,), ["other"])
        refused = await worker.take((function, tenant), ["a"])
        taken = await worker.take((function,), ["b"])

    assert (refused, taken) == (0, 1)


async def test_redis_that_lost_its_memory_gives_nothing_until_who_holds_slots_has_said_so(slotted, aws_services):
    async with slotted() as slots:
        holds, asks = slots.worker(), ["c"]
        await holds.take(TWO, ["a", "b"])
        aws_services.redis.forget()
        at_once = await slots.worker(settle_s=600).take(TWO, asks)
        await holds.hold({"function:fn_1": ["a", "b"]})
        settled = await slots.worker().take(TWO, asks)

    assert (at_once, settled) == (0, 0)
