"""One connection: what is asked on it is answered once, in order, and read as nothing else."""

import asyncio
import re

import httpx
import pytest
from edge_server import Edge, edge, run_body
from raw_http import LIVE, Reply, request

from gateway_harness import TOKEN
from nanogrid.model import Outcome, RunStatus
from waiting import until

LAST = request("GET", "/nothing", connection="close")
CHUNKED = {"transfer_encoding": "chunked", "content_type": "application/json"}


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


async def all_of(served: Edge, data: bytes) -> bytes:
    """What is answered to these bytes until the server closes."""
    connection = await served.open()
    await connection.send(data)
    return await connection.rest()


def chunked_run(chunks: bytes, trailers: bytes = b"", **headers: str) -> bytes:
    return request("POST", "/run", token=TOKEN, **CHUNKED, **headers) + chunks + b"0\r\n" + trailers + b"\r\n"


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


# What two readers could take for two different requests, or for none.
SMUGGLED = [
    (b"content-length: 4\r\ntransfer-encoding: chunked", b"0\r\n\r\n"),
    (b"transfer-encoding: chunked\r\ncontent-length: 4", b"0\r\n\r\n"),
    (b"content-length: 2\r\ncontent-length: 3", b"{} "),
    (b"content-length: 2\r\ncontent-length: 2", b"{}"),
    (b"content-length: 2, 2", b"{}"),
    (b"content-length: +2", b"{}"),
    (b"content-length: 0x2", b"{}"),
    (b"content-length: -2", b"{}"),
    (b"content-length: 2 2", b"{}"),
    (b"content-length: 18446744073709551618", b"{}"),
    (b"content-length : 2", b"{}"),  # space before the colon
    (b"content-length:\r\n 2", b"{}"),  # a folded line
    (b"x: y\n content-length: 2", b"{}"),  # a bare line feed
    (b"x: y\rcontent-length: 2", b"{}"),  # a bare carriage return
    (b"x: y\x00z", b""),
    (b"transfer-encoding: chunked, identity", b"0\r\n\r\n"),
    (b"transfer-encoding: xchunked", b"0\r\n\r\n"),
    (b"transfer-encoding:\x0bchunked", b"0\r\n\r\n"),
    (b"transfer-encoding: chunked\r\ntransfer-encoding: identity", b"0\r\n\r\n"),
    (b"transfer-encoding: chunked", b"0x2\r\n{}\r\n0\r\n\r\n"),
    (b"transfer-encoding: chunked", b"2\n{}\n0\n\n"),
    (b"transfer-encoding: chunked", b"-2\r\n{}\r\n0\r\n\r\n"),
    (b"transfer-encoding: chunked", b"2\r\n{}xx0\r\n\r\n"),
    (b"transfer-encoding: chunked", b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    (b"transfer-encoding: chunked", b'2;a="b\nc"\r\n{}\r\n0\r\n\r\n'),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body"), SMUGGLED)
async def test_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(headers, body):
    head = request("POST", "/run", token=TOKEN, content_type="application/json")[:-2]
    async with edge() as served:
        answers = await all_of(served, head + headers + b"\r\n\r\n" + body + LIVE)

    assert statuses(answers) == [400]
    assert b"application/problem+json" in answers
    assert b"connection: close" in answers


async def test_a_chunked_body_with_extensions_and_trailers_is_the_body_alone():
    whole = run_body([1, 2])
    chunks = chunk(whole[:5], b";a=b") + chunk(whole[5:], b';c="d e"')
    async with edge() as served:
        connection = await served.open()
        reply = await connection.asked(chunked_run(chunks, b"host: evil.test\r\nx: y\r\n"))
        after = await connection.asked(LIVE)

    assert reply.json()["output"] == [1, 2]
    assert after.status == 200


async def test_a_token_in_a_trailer_is_no_token():
    unknown = request("POST", "/run", **CHUNKED) + chunk(run_body(1)) + b"0\r\n"
    async with edge() as served:
        first = await all_of(served, unknown + f"authorization: Bearer {TOKEN}\r\n\r\n".encode() + LAST)
        behind = await all_of(served, LIVE + unknown + f"authorization: Bearer {TOKEN}\r\n\r\n".encode() + LAST)

    assert statuses(first) == [401, 404]
    assert statuses(behind) == [200, 401, 404]


@pytest.mark.parametrize(
    "start",
    [
        b"",  # empty lines before a request
        b"GET /",
        b"GET / HTTP/1.1\r\nx: ",
        chunked_run(b"")[:-5],  # nothing of a body
        chunked_run(b"")[:-2] + b"x: ",  # a trailer
        chunked_run(b"")[:-5] + b"1;",  # an extension
    ],
)
async def test_bytes_that_lead_nowhere_are_cut_off(start):
    filler = b"\r\n" if start == b"" else b"0" if start.endswith(b"\r\n\r\n") else b"x"
    async with edge() as served:
        connection = await served.open()
        await connection.send(start)
        reply = asyncio.create_task(connection.reply())
        sent = 0
        while not reply.done():
            await connection.send(filler * (65_536 // len(filler)))
            sent += 65_536

    assert reply.result().status in (400, 431)
    assert sent < 10_000_000


async def test_requests_that_wait_for_the_one_before_them_are_few():
    async with edge() as served:
        answers = await all_of(served, request("POST", "/run", run_body(1), token=TOKEN) + LIVE * 1000)

    assert statuses(answers) == [200] * 129 + [429]


async def test_a_hundred_requests_at_once_on_one_connection_are_answered_in_order():
    runs = [request("POST", "/run", run_body(n), token=TOKEN) for n in range(100)]
    async with edge() as served:
        connection = await served.open()
        await connection.send(b"".join(runs))
        outputs = [(await connection.reply()).json()["output"] for _ in runs]

    assert outputs == list(range(100))


async def test_garbage_behind_a_request_does_not_overtake_its_answer():
    async with edge() as served:
        answers = await all_of(served, request("POST", "/run", run_body(1), token=TOKEN) + b"garbage\r\n\r\n")

    assert statuses(answers) == [200, 400]


async def test_a_broken_body_behind_a_request_at_work_is_the_only_one_refused():
    broken = request("POST", "/run", token=TOKEN, **CHUNKED) + b"2\r\n{}broken"
    async with edge() as served:
        answers = await all_of(served, request("POST", "/run", run_body(1), token=TOKEN) + LIVE + broken + LIVE)

    assert statuses(answers) == [200, 200, 400]


async def test_who_leaves_with_a_request_waiting_behind_a_stream_ends_the_stream():
    follow = request("GET", "/functions/hello/logs?follow=true", token=TOKEN)
    async with edge() as served:
        connection = await served.open()
        await connection.send(follow + LIVE)
        await until(lambda: len(served.server._running.uvicorn.server_state.tasks) == 1)
        connection.close()
        await until(lambda: not served.server._running.uvicorn.server_state.tasks)

    assert served.server.connections == 0


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
async def test_who_sends_all_before_reading_finds_the_refusal_though_the_connection_ends(version):
    whole = request("POST", "/run", b" " * 10_000_000, connection="close").replace(b"HTTP/1.1", version, 1)
    async with edge() as served:
        connection = await served.open()
        await connection.send(whole)
        reply = await connection.reply()

        assert (reply.status, reply.headers["connection"]) == (401, "close")
        assert await connection.rest() == b""


UPGRADE = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAMAAABkAAQAAP__"}


@pytest.mark.parametrize(
    "asked",
    [
        request("POST", "/run", run_body([1]), token=TOKEN, **UPGRADE),
        chunked_run(chunk(run_body([1])), **UPGRADE),
    ],
)
async def test_an_upgrade_is_not_taken_and_its_body_is_a_body(asked):
    async with edge() as served:
        connection = await served.open()
        head, body = asked[: asked.index(b"\r\n\r\n") + 4], asked[asked.index(b"\r\n\r\n") + 4 :]
        at_once = await connection.asked(asked)
        await connection.send(head)
        in_pieces = await connection.asked(body + LIVE)
        after = await connection.reply()

    assert [at_once.json()["output"], in_pieces.json()["output"], after.json()["status"]] == [[1], [1], "live"]


async def test_a_thousand_upgrades_in_one_packet_do_no_harm():
    async with edge() as served:
        answers = await all_of(served, request("GET", "/health/live", **UPGRADE) * 1000)

    assert statuses(answers)[:2] == [200, 200]
    assert statuses(answers)[-1] == 429


async def test_who_waits_to_be_told_to_continue_is_told():
    body = run_body(5)
    head = request("POST", "/run", body, token=TOKEN, expect="100-continue")[: -len(body)]
    async with edge() as served:
        connection = await served.open()
        await connection.send(head)
        go_on = await connection.reply(to_head=True)
        reply = await connection.asked(body)

    assert (go_on.status, reply.status) == (100, 200)


async def test_who_is_refused_instead_of_told_to_continue_is_told_that_the_connection_ends():
    body = run_body(5)
    head = request("POST", "/run", body, expect="100-continue")[: -len(body)]
    async with edge() as served:
        connection = await served.open()
        reply = await connection.asked(head)

        assert (reply.status, reply.headers["connection"]) == (401, "close")
        assert await connection.rest() == b""


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /health/live HTTP/1.0\r\nhost: localhost\r\n\r\n", 200),
        (b"GET http://127.0.0.1/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", 200),
        (b"GET http://evil.test/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 400),
        (b"GET http:///health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 400),
        (b"GET http://[::1]:80/health/live HTTP/1.1\r\nhost: [::1]\r\nconnection: close\r\n\r\n", 200),
        (b"GET /health/live HTTP/1.0\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", 421),
        (b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:80\r\nhost: evil.test\r\nconnection: close\r\n\r\n", 421),
        (b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:80@evil.test\r\nconnection: close\r\n\r\n", 421),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", 404),
        (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 400),
        (b"OPTIONS /run HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", 405),
        (b"TRACE /run HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", 405),
        (b"BREW /run HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 400),
        (b"get /run HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_unusual_requests_have_an_answer(asked, status):
    async with edge() as served:
        answers = await all_of(served, asked)

    assert statuses(answers) == [status]


async def test_a_connection_too_many_is_a_503_that_says_when_to_come_again():
    async with edge(max_connections=3) as served:
        held = [await served.open() for _ in range(3)]
        refused = await (await served.open()).reply()
        by_library = await _by_library(served.port)
        still = [await connection.asked(LIVE) for connection in held]

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert (refused.headers["content-type"], refused.json()["code"]) == ("application/problem+json", "unavailable")
    assert by_library.status_code == 503
    assert [reply.status for reply in still] == [200, 200, 200]


async def test_a_connection_that_ends_makes_room_for_another():
    async with edge(max_connections=1) as served:
        first = await served.open()
        await first.asked(LIVE)
        first.close()
        await until(lambda: served.server.connections == 0)
        reply = await served.ask(LIVE)

    assert reply.status == 200


async def test_refusals_of_what_is_no_request_are_counted():
    async with edge() as served:
        await all_of(served, b"garbage\r\n\r\n")
        counted = served.grid.metrics.answers.counts["none", 400]

    assert counted == 1


async def test_a_grid_that_drains_changes_nothing_and_tells_what_there_is():
    asked = {"POST": "/run", "PUT": "/functions/hello", "DELETE": "/functions/hello"}
    async with edge() as served:
        served.grid.not_ready = "the grid is stopping"
        refused = [await served.ask(request(method, path, run_body(1), token=TOKEN)) for method, path in asked.items()]
        unknown = await served.ask(request("POST", "/run", run_body(1)))
        told = await served.ask(request("GET", "/functions", token=TOKEN))

    assert [_told(reply) for reply in refused] == [(503, "1", "unavailable")] * 3
    assert unknown.status == 401
    assert [item["name"] for item in told.json()["items"]] == ["hello"]


async def test_a_run_that_was_taken_before_the_drain_is_answered_in_it():
    async with edge(idle=True) as served:
        connection = await served.open()
        await connection.send(request("POST", "/run", run_body(7), token=TOKEN))
        task = await served.grid.take()
        served.grid.not_ready = "the grid is stopping"
        await served.grid.finish(task.run_id, Outcome(status=RunStatus.SUCCEEDED, output=task.input))
        reply = await connection.reply()

    assert reply.json()["output"] == 7


async def _by_library(port: int) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        return await client.post("/run", content=run_body("x" * 100_000), headers={"authorization": f"Bearer {TOKEN}"})


def _told(reply: Reply) -> tuple[int, str | None, str]:
    return reply.status, reply.headers.get("retry-after"), reply.json()["code"]
