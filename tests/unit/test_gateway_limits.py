"""What is too large, too many or too slow is refused before it costs anything."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from gateway_harness import SOURCE, TOKEN, opened, serving
from nanogrid.api.routes import MAX_DEPLOY_BODY, MAX_RUN_BODY
from nanogrid.errors import SlowRequest, TooManyRequests
from nanogrid.gateway.intake import Disconnected, Intake

JSON = {"content-type": "application/json"}


async def chunks(size: int, sent: list[int]) -> AsyncIterator[bytes]:
    """A body without an announced length."""
    for _ in range(size // 65_536 + 1):
        sent.append(65_536)
        yield b" " * 65_536


@pytest.mark.parametrize(("path", "limit"), [("/run", MAX_RUN_BODY), ("/functions", MAX_DEPLOY_BODY)])
async def test_an_announced_body_over_the_limit_is_refused_unread(path, limit):
    sent: list[int] = []
    async with serving() as (_, client):
        headers = JSON | {"content-length": str(limit + 1)}
        answer = await client.post(path, content=chunks(limit, sent), headers=headers)

    assert answer.status_code == 413
    assert str(limit) in answer.json()["detail"]
    assert sent == []


async def test_a_chunked_body_over_the_limit_is_refused_where_it_passes_the_limit():
    sent: list[int] = []
    async with serving() as (_, client):
        answer = await client.post("/run", content=chunks(5 * MAX_RUN_BODY, sent), headers=JSON)

    assert answer.status_code == 413
    assert sum(sent) <= MAX_RUN_BODY + 65_536


async def test_a_body_in_pieces_arrives_whole():
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"functionId":', b'"hello","input":', b"[1,2]}"):
            yield piece

    async with serving() as (_, client):
        answer = await client.post("/run", content=pieces(), headers=JSON)

    assert answer.json()["output"] == [1, 2]


async def test_a_deployment_may_be_larger_than_a_run():
    source = f"{SOURCE}# {os.urandom(2 * 1024 * 1024).hex()}\n"
    async with serving() as (_, client):
        answer = await client.post("/functions", json={"name": "big", "runtime": "python3.11", "source": source})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("/functions?cursor=" + "x" * 8192, {}, 414),
        ("/" + "x" * 8192, {}, 414),
        ("/functions", {"x-filler": "x" * 16_384}, 431),
        ("/functions", {f"x-{n}": "1" for n in range(100)}, 431),
    ],
)
async def test_a_head_over_its_limits_is_refused(address, headers, status):
    async with serving() as (_, client):
        answer = await client.get(address, headers=headers)

    assert answer.status_code == status


async def test_a_repeated_header_is_read_whole_not_in_part():
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/functions",
        "query_string": b"",
        "headers": [(b"host", b"grid.test"), (b"host", b"evil.test")],
    }
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async with opened() as grid:
        await grid.gateway(scope, None, send)

    assert sent[0]["status"] == 421


async def test_a_request_without_a_host_is_malformed():
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async with opened() as grid:
        await grid.gateway(scope, None, send)

    assert sent[0]["status"] == 400


async def test_a_body_that_stops_arriving_is_refused():
    async def receive() -> dict:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(SlowRequest):
        await Intake(patience_s=0.001).read({}, receive, limit=100)


async def test_a_body_that_trickles_is_refused_though_it_never_stops():
    async def receive() -> dict:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(SlowRequest):
        await Intake(patience_s=0.01, min_bytes_per_s=10**9).read({}, receive, limit=10**9)


async def test_large_bodies_share_a_bounded_room_and_give_it_back():
    intake = Intake(max_held_bytes=100)
    messages = [{"type": "http.request", "body": b"x" * 60, "more_body": True}] * 3

    async def receive() -> dict:
        return messages.pop()

    with pytest.raises(TooManyRequests):
        await intake.read({}, receive, limit=1000)

    messages += [
        {"type": "http.request", "body": b"x" * 40, "more_body": False},
        {"type": "http.request", "body": b"x" * 60, "more_body": True},
    ]
    assert len(await intake.read({}, receive, limit=1000)) == 100


async def test_a_client_that_goes_before_its_body_came_gets_no_answer_and_makes_no_noise():
    async def receive() -> dict:
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        await Intake().read({}, receive, limit=100)

    sent: list[dict] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/run",
        "query_string": b"",
        "headers": [(b"host", b"grid.test"), (b"authorization", f"Bearer {TOKEN}".encode())],
    }
    async with opened() as grid:
        await grid.gateway(scope, receive, sent.append)
    assert sent == []


async def test_a_head_request_has_the_head_of_get_and_no_body():
    async with serving() as (_, client):
        get, head = await client.get("/functions"), await client.head("/functions")

    assert head.status_code == 200
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.content == b""


async def test_the_grid_is_not_ready_while_it_says_why_not():
    async with serving() as (grid, client):
        before = await client.get("/health/ready")
        grid.not_ready = "it drains."
        after, live = await client.get("/health/ready"), await client.get("/health/live")

    assert (before.status_code, before.json()["status"]) == (200, "ready")
    assert after.status_code == 503
    assert "it drains" in after.json()["detail"]
    assert live.status_code == 200


async def test_metrics_are_in_the_text_format_of_prometheus():
    async with serving() as (_, client):
        answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.content == b"nanogrid_runs_total 1.0\n"
