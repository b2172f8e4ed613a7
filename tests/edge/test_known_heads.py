"""A head that has come before is not parsed again; nothing else is different about its request."""

import asyncio

from edge_server import edge, run_body
from raw_http import LIVE, request

from gateway_harness import TOKEN
from nanogrid.api.auth import token_digest
from nanogrid.gateway.watch import Patience
from nanogrid.model import Outcome, RunStatus
from waiting import until


def run(value, **headers):
    return request("POST", "/run", run_body(value), token=TOKEN, **headers)


def parsed(served):
    """Counts the heads that the server's connections read from now on."""
    read, count = served.grid.gateway.read_head, [0]

    def counting(scope):
        count[0] += 1
        return read(scope)

    served.grid.gateway.read_head = counting
    return count


async def end(served, task):
    """As a worker would: the run returns its input."""
    await served.grid.backend.run_store.start(task.run_id, 1)
    await served.grid.finish(task.run_id, Outcome(status=RunStatus.SUCCEEDED, output=task.input))


async def known(served):
    """A connection whose head of a run with a one-digit input is known."""
    connection = await served.open()
    for number in range(2):
        assert (await connection.asked(run(number))).status == 200
    return connection


async def test_the_third_run_of_a_connection_is_not_parsed_and_answers_the_same():
    async with edge() as served:
        connection = await known(served)
        heads = parsed(served)
        replies = [await connection.asked(run(number)) for number in (3, 4)]
        elsewhere = await served.ask(run(5))

    assert heads == [0]
    assert [reply.json()["output"] for reply in [*replies, elsewhere]] == [3, 4, 5]
    assert {"date", "x-request-id", "x-content-type-options", "cache-control"} <= replies[0].headers.keys()


async def test_what_was_known_once_is_checked_again_where_it_must_be():
    async with edge() as served:
        connection = await known(served)
        served.grid.gateway._auth._principals = {}
        refused = await connection.asked(run(3))

    assert refused.status == 401


async def test_a_grid_that_drains_refuses_a_known_head_too():
    async with edge() as served:
        connection = await known(served)
        served.grid.not_ready = "it stops"
        refused = await connection.asked(run(3))

    assert refused.status == 503


async def test_another_token_is_another_head():
    async with edge() as served:
        connection = await known(served)
        other = await connection.asked(request("POST", "/run", run_body(3), token="x" * len(TOKEN)))

    assert token_digest("x" * len(TOKEN)) not in served.grid.gateway._auth._principals
    assert other.status == 401


async def test_a_body_in_pieces_behind_a_known_head_is_read_to_its_end():
    async with edge() as served:
        connection = await known(served)
        whole = run(3)
        await connection.send(whole[:-4])
        await asyncio.sleep(0)
        reply = await connection.asked(whole[-4:])
        again = await connection.asked(run(4))

    assert [reply.json()["output"], again.json()["output"]] == [3, 4]


async def test_requests_that_come_while_one_is_at_work_are_answered_in_their_order():
    async with edge() as served:
        connection = await known(served)
        await connection.send(run(3))
        await connection.send(run(4) + LIVE + run(5))
        replies = [await connection.reply() for _ in range(4)]

    assert [reply.json().get("output") for reply in replies] == [3, 4, None, 5]


async def test_garbage_behind_a_known_head_is_refused_after_the_answer():
    async with edge() as served:
        connection = await known(served)
        await connection.send(run(3))
        await connection.send(b"garbage\r\n\r\n")
        answer, refusal = await connection.reply(), await connection.reply()

    assert (answer.status, refusal.status) == (200, 400)


async def test_a_head_that_says_more_than_what_is_asked_for_is_parsed_each_time():
    async with edge() as served:
        connection = await served.open()
        heads = parsed(served)
        for number in range(4):
            await connection.asked(run(number, expect="nothing-we-know"))

    assert heads[0] >= 4


async def test_a_client_that_goes_while_its_run_is_at_work_harms_nobody():
    async with edge(idle=True) as served:
        connection = await served.open()
        for number in range(3):
            await connection.send(run(number))
            task = await served.grid.take()
            if number == 2:
                connection.close()
                await asyncio.sleep(0)
            await end(served, task)
            if number < 2:
                await connection.reply()
        after = await served.ask(LIVE)

    assert after.status == 200


async def test_an_idle_connection_is_closed_though_its_answers_set_no_timer():
    async with edge(patience=Patience(idle_s=1)) as served:
        connection = await known(served)
        await connection.asked(run(3))

        assert await connection.rest() == b""


async def test_a_stopping_server_answers_what_is_at_work_and_says_that_it_closes():
    async with edge(idle=True) as served:
        connection = await served.open()
        for number in range(3):
            await connection.send(run(number))
            task = await served.grid.take()
            if number == 2:
                break
            await end(served, task)
            await connection.reply()
        (protocol,) = served.server._running.uvicorn.open_connections
        stopping = asyncio.create_task(served.server.stop(grace_s=20))
        await until(lambda: protocol._closes)
        await end(served, task)
        reply = await connection.reply()
        await stopping

    assert (reply.status, reply.headers["connection"]) == (200, "close")
