"""Who is slow is cut off; who is honest is answered meanwhile."""

import asyncio
import socket

from edge_server import SHORT, edge, run_body
from raw_http import LIVE, Connection, request

from gateway_harness import TOKEN
from nanogrid.gateway.intake import Intake
from nanogrid.gateway.watch import Patience
from waiting import until

HURRIED = Intake(patience_s=0.05)
WANTED = request("POST", "/run", run_body("x" * 1000), token=TOKEN)
UNWANTED = request("POST", "/run", run_body("x" * 1000))


async def trickle(connection: Connection, data: bytes) -> None:
    """Send byte by byte for as long as the server takes them."""
    try:
        for byte in data * 1000:
            await connection.send(bytes([byte]))
            await asyncio.sleep(0.002)
    except ConnectionError:
        return


async def narrow(port: int) -> socket.socket:
    """A connection whose client side has hardly any room."""
    client = socket.socket()
    client.setblocking(False)  # noqa: FBT003 - the library's signature
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return client


async def test_a_connection_without_a_byte_is_closed():
    async with edge(patience=SHORT) as served:
        connection = await served.open()

        assert await connection.rest() == b""


async def test_half_a_head_is_told_and_closed():
    async with edge(patience=SHORT) as served:
        connection = await served.open()
        reply = await connection.asked(LIVE[:-2])

        assert (reply.status, reply.json()["code"]) == (408, "slow_request")
        assert await connection.rest() == b""


async def test_a_head_that_trickles_is_cut_though_it_never_stops():
    async with edge(patience=SHORT) as served:
        connection = await served.open()
        trickling = asyncio.create_task(trickle(connection, b"x" * 1000))
        await connection.send(b"GET / HTTP/1.1\r\nx: ")
        reply = await connection.reply()
        await trickling

    assert reply.status == 408


async def test_empty_lines_do_not_hold_a_connection():
    async with edge(patience=SHORT) as served:
        connection = await served.open()
        await connection.asked(LIVE)
        await trickle(connection, b"\r\n")
        await until(lambda: served.server.connections == 0)


async def test_a_connection_that_idles_between_requests_is_no_slow_one():
    async with edge(patience=SHORT) as served:
        idle = await served.open()
        await idle.asked(LIVE)
        silent = await served.open()
        await silent.rest()
        again = await idle.asked(LIVE)

    assert again.status == 200


async def test_half_a_body_is_told_and_closed():
    async with edge(intake=HURRIED) as served:
        connection = await served.open()
        reply = await connection.asked(WANTED[:-500])

        assert (reply.status, reply.json()["code"]) == (408, "slow_request")
        assert await connection.rest() == b""


async def test_a_body_slower_than_its_rate_is_cut_though_it_never_stops():
    async with edge(intake=Intake(patience_s=0.05, min_bytes_per_s=10**6)) as served:
        connection = await served.open()
        trickling = asyncio.create_task(trickle(connection, WANTED))
        reply = await connection.reply()
        await trickling

    assert reply.status == 408


async def test_a_body_that_came_fast_may_not_pause_for_longer_than_any_other():
    start = request("POST", "/run", token=TOKEN, content_length="6000000", content_type="application/json")
    async with edge(intake=Intake(patience_s=0.05, min_bytes_per_s=1)) as served:
        connection = await served.open()
        await connection.send(start)
        reply = await connection.asked(b" " * 1_000_000)

    assert reply.status == 408


async def test_a_body_that_nobody_wants_is_dropped_for_a_while_only():
    async with edge(patience=SHORT) as served:
        connection = await served.open()
        reply = await connection.asked(UNWANTED[:-500])

        assert reply.status == 401
        assert await connection.rest() == b""


async def test_a_body_that_nobody_wants_may_end_and_the_next_request_is_read():
    async with edge() as served:
        connection = await served.open()
        refused = await connection.asked(UNWANTED[:-500])
        answered = await connection.asked(UNWANTED[-500:] + LIVE)

    assert (refused.status, answered.status) == (401, 200)


async def test_a_reader_that_takes_nothing_of_a_large_answer_is_cut():
    large = request("POST", "/run", run_body("x" * 6_000_000), token=TOKEN)
    async with edge(patience=Patience(read_s=0.05, look_s=0.01)) as served:
        reader = await narrow(served.port)
        await asyncio.get_running_loop().sock_sendall(reader, large)
        await until(lambda: served.grid.metrics.answers.counts.get(("runFunction", 200)) == 1)
        await until(lambda: served.server.connections == 0)
        reader.close()
