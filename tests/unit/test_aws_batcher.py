"""What is asked for in one turn goes in batches."""

import asyncio

import pytest

from nanogrid.backends.aws.batcher import MOST_BYTES, Batcher


async def test_what_is_asked_for_in_one_turn_goes_in_tens_and_in_order():
    batches = []

    async def send(entries):
        batches.append(entries)
        return [None] * len(entries)

    batcher = Batcher[int](send, lambda _: 1)
    await asyncio.gather(*(batcher.submit(n) for n in range(25)))

    assert batches == [list(range(10)), list(range(10, 20)), list(range(20, 25))]


async def test_a_batch_is_no_larger_than_sqs_takes():
    batches = []

    async def send(entries):
        batches.append(entries)
        return [None] * len(entries)

    batcher = Batcher[int](send, lambda size: size)
    await asyncio.gather(*(batcher.submit(MOST_BYTES // 3) for _ in range(5)))

    assert [len(batch) for batch in batches] == [3, 2]


async def test_while_calls_are_under_way_the_next_batch_fills_up():
    batches, answers = [], asyncio.Event()

    async def send(entries):
        batches.append(entries)
        await answers.wait()
        return [None] * len(entries)

    batcher = Batcher[int](send, lambda _: 1, parallel=1)
    first = batcher.submit(0)
    await asyncio.sleep(0)
    rest = []
    for n in range(1, 6):
        rest.append(batcher.submit(n))
        await asyncio.sleep(0)
    answers.set()
    await asyncio.gather(first, *rest)

    assert batches == [[0], [1, 2, 3, 4, 5]]


async def test_one_that_fails_does_not_fail_its_neighbours():
    async def send(entries):
        return [ValueError(n) if n == 1 else None for n in entries]

    batcher = Batcher[int](send, lambda _: 1)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [type(None), ValueError, type(None)]


async def test_who_is_cancelled_takes_nothing_back_and_disturbs_nobody():
    sent = []

    async def send(entries):
        sent.extend(entries)
        return [None] * len(entries)

    batcher = Batcher[int](send, lambda _: 1)
    first, second = batcher.submit(1), batcher.submit(2)
    first.cancel()
    await second
    await batcher.flush()

    assert sent == [1, 2]


async def test_a_call_that_fails_fails_all_of_its_batch():
    async def send(entries):
        raise OSError(len(entries))

    batcher = Batcher[int](send, lambda _: 1)
    for result in await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True):
        with pytest.raises(OSError, match="3"):
            raise result
