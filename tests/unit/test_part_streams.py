"""Parts between a run and its reader: in order, bounded, and never of two attempts."""

import asyncio

import pytest
from msgspec import Raw

from nanogrid.errors import PlatformError
from nanogrid.part_streams import PartStreams
from nanogrid.ports import Part

LARGE = Part(value=Raw(b'"' + b"x" * 200_000 + b'"'))


def part(value):
    return Part(value=Raw(str(value).encode()))


async def turns():
    """Let everybody who can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_parts_come_in_order_and_then_none():
    streams = PartStreams()
    with streams.opened("run_1") as stream:
        assert streams.begin("run_1")
        for number in range(3):
            await streams.put("run_1", part(number))
        stream.end()
        seen = [await stream.next() for _ in range(4)]

    assert seen == [part(0), part(1), part(2), None]


async def test_a_run_waits_for_a_slow_reader():
    streams = PartStreams()
    with streams.opened("run_1") as stream:
        writing = [asyncio.create_task(streams.put("run_1", LARGE)) for _ in range(2)]
        await turns()
        before = [task.done() for task in writing]
        await stream.next()
        await turns()

        assert before == [True, False]
        assert [task.done() for task in writing] == [True, True]


async def test_a_run_does_not_wait_for_a_reader_who_has_left():
    streams = PartStreams()
    with streams.opened("run_1"):
        writing = [asyncio.create_task(streams.put("run_1", LARGE)) for _ in range(3)]
        await turns()
    await asyncio.gather(*writing)
    await streams.put("run_1", LARGE)

    assert not streams.begin("run_1")


async def test_a_reader_waits_for_the_next_part_and_for_the_beginning():
    streams = PartStreams()
    with streams.opened("run_1") as stream:
        beginning, reading = asyncio.create_task(stream.beginning()), asyncio.create_task(stream.next())
        await turns()
        assert not beginning.done()
        streams.begin("run_1")
        await streams.put("run_1", part(1))

        assert await reading == part(1)
        await beginning


async def test_what_a_second_attempt_yields_is_not_mixed_with_the_firsts():
    streams = PartStreams()
    with streams.opened("run_1") as stream:
        assert streams.begin("run_1")
        assert streams.begin("run_1")  # the first has yielded nothing
        await streams.put("run_1", part(1))
        wanted = streams.begin("run_1")
        with pytest.raises(PlatformError):
            await stream.next()

    assert not wanted


async def test_nobody_reads_what_was_not_asked_for():
    assert not PartStreams().begin("run_1")
