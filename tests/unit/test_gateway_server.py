"""The gateway on a real socket: starts on a free port, streams, refuses what is not HTTP, stops cleanly."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from gateway_harness import HELLO, TOKEN, Grid, opened, working
from nanogrid.errors import ConfigError
from nanogrid.gateway.server import Server
from nanogrid.model import LogLine, Outcome, RunStatus
from nanogrid.ports import LogFeed


@asynccontextmanager
async def listening(**options: object) -> AsyncIterator[tuple[Grid, Server, int, httpx.AsyncClient]]:
    async with opened(**options) as grid:
        server = Server(grid.gateway, grid.log, host="127.0.0.1", port=0)
        port = await server.start()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as client:
            await client.post("/functions", json=HELLO)
            yield grid, server, port, client
        await server.stop()


class WatchedFeed(LogFeed):
    """A feed with one line, that tells when its follower has gone."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def publish(self, lines: list[LogLine]) -> None: ...

    @asynccontextmanager
    async def follow(self, function_id: str) -> AsyncIterator[AsyncIterator[LogLine]]:
        try:
            yield silent()
        finally:
            self.left.set()


async def silent() -> AsyncIterator[LogLine]:
    yield line("fn_1", "the only one")
    await asyncio.Event().wait()


async def raw(port: int, data: bytes) -> bytes:
    """What the server answers to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


def line(function_id: str, text: str) -> LogLine:
    return LogLine(run_id="run_1", function_id=function_id, at=datetime.now(UTC), text=text)


async def test_the_server_answers_on_the_port_it_tells_and_names_no_software():
    async with listening() as (_, _, port, client):
        answer = await client.get("/health/live")

    assert port > 0
    assert answer.json()["status"] == "live"
    assert "server" not in answer.headers


async def test_a_taken_port_is_an_error_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with opened() as grid:
            server = Server(grid.gateway, grid.log, host="127.0.0.1", port=taken.getsockname()[1])

            with pytest.raises(ConfigError, match="--port"):
                await server.start()


async def test_followed_log_lines_come_as_events_with_a_heartbeat_between():
    async with listening(heartbeat_s=0.01) as (grid, _, _, client):
        function_id = (await client.get("/functions/hello")).json()["functionId"]
        async with client.stream("GET", "/functions/hello/logs?follow=true") as stream:
            lines = stream.aiter_lines()
            first = await anext(lines)
            heartbeat = await anext(item async for item in lines if item == ": still here")
            grid.log_feed.publish([line(function_id, "one\ntwo")])
            event = await anext(item async for item in lines if item.startswith("data: "))

    assert first == ": following"
    assert heartbeat
    assert stream.headers["content-type"] == "text/event-stream"
    assert json.loads(event.removeprefix("data: "))["text"] == "one\ntwo"


async def test_a_follower_that_goes_is_forgotten():
    feed = WatchedFeed()
    async with listening(log_feed=feed) as (_, _, _, client):
        async with client.stream("GET", "/functions/hello/logs?follow=true") as stream:
            await anext(stream.aiter_lines())
            followed = not feed.left.is_set()
        await feed.left.wait()

    assert followed


async def test_the_head_of_a_stream_does_not_wait_for_its_end():
    async with listening() as (_, _, _, client):
        answer = await client.head("/functions/hello/logs?follow=true")

    assert answer.headers["content-type"] == "text/event-stream"


async def test_stopping_the_server_ends_streams_in_good_order():
    async with listening() as (_, server, _, client):
        async with client.stream("GET", "/functions/hello/logs?follow=true") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            stopping = asyncio.create_task(server.stop())
            rest = [item async for item in lines]
        await stopping

    assert rest == [""]


async def test_a_request_that_outlives_the_grace_is_told_that_the_grid_stops():
    async with listening() as (grid, server, _, client):
        waiting = asyncio.create_task(client.post("/run", json={"functionId": "hello"}))
        await grid.take()
        await server.stop(grace_s=0)
        answer = await waiting

    assert answer.status_code == 503
    assert "stopping" in answer.json()["detail"]


async def test_a_request_at_work_is_answered_before_the_server_stops():
    async with listening() as (grid, server, _, client):
        waiting = asyncio.create_task(client.post("/run", json={"functionId": "hello", "input": 5}))
        task = await grid.take()
        stopping = asyncio.create_task(server.stop(grace_s=20))
        await grid.finish(task.run_id, Outcome(status=RunStatus.SUCCEEDED, output=task.input))
        answer = await waiting
        await stopping

    assert answer.json()["output"] == 5


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: x\r\n\r\n",
        b"POST /run HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_as_a_problem(data):
    async with listening() as (_, _, port, _):
        head, _, body = (await raw(port, data)).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "malformed"


async def test_a_head_without_an_end_is_cut_off():
    async with listening() as (_, _, port, _):
        answer = await raw(port, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"x" * 60_000)

    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_several_requests_on_one_connection_are_answered_in_order():
    one = b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
    async with listening() as (_, _, port, _):
        answer = await raw(port, one + one + last)

    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]


async def test_an_upgrade_that_is_not_offered_does_no_harm():
    upgrade = b"connection: upgrade\r\nupgrade: websocket\r\n"
    async with listening() as (_, _, port, client):
        request = b"GET /nothing HTTP/1.1\r\nhost: 127.0.0.1\r\n" + upgrade + b"\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.readline()
        writer.close()
        alive = await client.get("/health/live")

    assert b"404" in answer
    assert alive.status_code == 200


async def test_a_large_answer_arrives_whole():
    text = "x" * 5_000_000
    async with listening() as (grid, _, _, client), working(grid):
        answer = await client.post("/run", json={"functionId": "hello", "input": text})

    assert answer.json()["output"] == text


async def test_stopping_twice_is_harmless():
    async with listening() as (_, server, _, _):
        await server.stop()
        await server.stop()
