"""The promises of `LogFeed`."""

import asyncio
from contextlib import suppress

from nanogrid.identifiers import new_function_id, new_run_id
from nanogrid.model import LogLine
from records import SOME_TIME


def line(text, function_id):
    return LogLine(run_id=new_run_id(), function_id=function_id, at=SOME_TIME, text=text)


async def test_a_follower_gets_the_function_s_lines_in_order(bench):
    mine, other = new_function_id(), new_function_id()
    lines = [line("first", mine), line("second", mine)]
    async with bench.open() as backend, backend.log_feed.follow(mine) as followed:
        backend.log_feed.publish([lines[0], line("foreign", other), lines[1]])

        assert [await anext(followed) for _ in range(2)] == lines


async def test_every_follower_gets_every_line(bench):
    function_id = new_function_id()
    lines = [line(str(n), function_id) for n in range(3)]
    async with bench.open() as backend:
        got = await heard_by_two(backend.log_feed, lines)

    assert got == [lines, lines]


async def heard_by_two(feed, lines, *, tries=3):
    """What is published while the feed's service stalls is lost, as the port says: then it is published again."""
    for _ in range(tries):
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(30),
                feed.follow(lines[0].function_id) as first,
                feed.follow(lines[0].function_id) as second,
            ):
                feed.publish(lines)
                return [[await anext(follower) for _ in lines] for follower in (first, second)]
    return None


async def test_a_slow_follower_loses_lines_and_holds_nobody_up(bench):
    function_id = new_function_id()
    async with bench.open() as backend, backend.log_feed.follow(function_id) as followed:
        for n in range(100_000):
            backend.log_feed.publish([line(str(n), function_id)])
        first = await anext(followed)
        # Who loses them on the follower's side says so, before the next line.
        oldest = await anext(followed) if first.text.startswith("... ") else first

    assert int(oldest.text) > 0


async def test_publishing_where_nobody_follows_is_no_error(bench):
    function_id = new_function_id()
    async with bench.open() as backend:
        async with backend.log_feed.follow(function_id):
            pass
        backend.log_feed.publish([line("unheard", function_id)])
