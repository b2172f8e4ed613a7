"""The load generators: every answer is checked, and no arrival waits for an answer."""

import asyncio

import pytest
from instrument.listed_loop import ListedLoop
from instrument.open_loop import OpenLoop, poisson, steady

from loaded_server import http, serving
from nanogrid.cli.load import Tally, closed_loop, make_target
from nanogrid.client import ConnectionFailed
from scripted_server import scripted_server
from waiting import until


async def right(_number):
    return http(b'{"ok":true}')


def target(url):
    return make_target(url, b"{}", {}, expect=(b'"ok":true',))


async def test_a_closed_loop_counts_right_answers():
    async with serving(right) as url:
        tally = await closed_loop(target(url), clients=3, seconds=0.2)

    assert len(tally.latencies) > 3
    assert tally.wrong == 0
    assert tally.rate == len(tally.latencies) / 0.2


# what the second answer is, what the tally keeps of it
@pytest.mark.parametrize(
    ("answer", "said"), [(http(b'{"ok":false}'), '200 {"ok":false}'), (http(b'{"ok":true}', 503), "503")]
)
async def test_an_answer_of_another_body_or_status_is_wrong(answer, said):
    async def second_is_wrong(number):
        return answer if number == 1 else await right(number)

    async with serving(second_is_wrong) as url:
        tally = await closed_loop(target(url), clients=1, seconds=0.1)

    assert tally.wrong == 1
    assert tally.first_wrong.startswith(said)


async def test_a_connection_that_breaks_under_load_is_no_result():
    async def garbage(_number):
        return b"this is not HTTP\r\n\r\n"

    async with serving(garbage) as url:
        with pytest.raises(ConnectionFailed, match="ended a connection under load"):
            await closed_loop(target(url), clients=2, seconds=1)


async def test_nobody_listening_is_said_at_once():
    with pytest.raises(ConnectionFailed, match="takes no connection"):
        await closed_loop(make_target("http://127.0.0.1:1/run", b"{}", {}), clients=1, seconds=1)


async def test_arrivals_go_on_while_nothing_is_answered():
    """A closed loop of as many clients would never send the third request."""
    all_sent = asyncio.Event()

    async def after_all_were_sent(number):
        if number == 19:
            all_sent.set()
        await all_sent.wait()
        return await right(number)

    async with serving(after_all_were_sent) as url:
        loop = OpenLoop(target(url), connections=20)
        tally = await loop.run(steady(rate=200, seconds=0.1), 0.1)

    assert len(tally.latencies) == 20


async def test_a_latency_counts_from_when_its_request_was_due():
    """One connection, held for the first answer: those that wait behind it are the later the earlier they were due."""
    released = asyncio.Event()

    async def first_is_held(number):
        if number == 0:
            await released.wait()
        return await right(number)

    async with serving(first_is_held) as url:
        loop = OpenLoop(target(url), connections=1)
        running = asyncio.create_task(loop.run(steady(rate=100, seconds=0.1), 0.1))
        while len(loop.waiting) < 9:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0)
        released.set()
        tally = await running

    assert len(tally.latencies) == 10
    assert list(tally.latencies) == sorted(tally.latencies, reverse=True)


async def test_a_connection_that_ends_while_it_idles_is_replaced():
    """As servers do with those that have not sent anything for a while."""
    async with serving(right) as url:
        loop = OpenLoop(target(url), connections=1)
        await loop._open()
        (first,) = loop._free
        first.close()
        await until(lambda: loop._free and first not in loop._free)
        tally = await loop.run(iter([0.0, 0.0]), 0.1)

    assert (len(tally.latencies), tally.wrong) == (2, 0)


async def test_a_connection_that_ends_with_a_request_under_way_is_no_result():
    async with scripted_server(lambda _: None) as server:
        with pytest.raises(ConnectionFailed, match="ended under load"):
            await OpenLoop(target(f"{server.url}/run"), connections=1).run(iter([0.0]), 0.1)


def test_poisson_arrivals_are_repeatable_and_as_many_as_asked_for():
    arrivals = list(poisson(1000, 10, seed=7))

    assert arrivals == list(poisson(1000, 10, seed=7))
    assert arrivals == sorted(arrivals)
    assert 9_500 < len(arrivals) < 10_500


async def test_a_list_is_sent_once_each_whatever_the_number_of_clients():
    numbers = []

    async def note(number):
        numbers.append(number)
        return await right(number)

    async with serving(note) as url:
        tally = await ListedLoop([target(url)] * 25, pause_s=0.001).run(4, patience_s=30)

    assert numbers == list(range(25))
    assert len(tally.latencies) == 25


def test_a_percentile_is_the_smallest_that_enough_do_not_exceed():
    tally = Tally()
    for number in range(1, 1001):
        tally.right(number)

    assert [tally.percentile(p) for p in (50, 99, 99.9, 100)] == [500, 990, 999, 1000]
