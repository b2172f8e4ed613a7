"""Thousands of requests made from the OpenAPI document: no mistake of the server's, no hang, no connection out of step.

`FUZZ_CASES` says how many; without it, a few thousand that are the same every time.
"""

import asyncio
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
from edge_server import Edge, edge
from generated import KEPT, Case, Described, cases, spoilt_bytes
from hypothesis import HealthCheck, Phase, given, settings
from raw_http import LIVE, Connection, Reply, request

from flow_steps import deploy, http
from gateway_harness import SOURCE, TOKEN
from grid import StartedGrid, started_grid
from nanogrid import __version__
from nanogrid.api.openapi import document
from nanogrid.api.routes import ROUTES
from nanogrid.gateway.intake import Intake
from nanogrid.gateway.watch import Patience

T = TypeVar("T")

CASES = int(os.environ.get("FUZZ_CASES", "3000"))
DOCUMENT = Described(document(ROUTES, __version__))
LAST = request("GET", "/nothing", connection="close")
#: Cut at once: what matters is that everything ends.
HURRY = Patience(head_s=0.02, rest_s=0.02, close_s=0.02, idle_s=0.02, read_s=5, look_s=0.01)


def fuzzing(share: float) -> Callable[[T], T]:
    """That share of all cases; the same ones every time unless more were asked for."""
    return settings(
        max_examples=round(CASES * share),
        derandomize="FUZZ_CASES" not in os.environ,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@contextmanager
def kept_open(context: AbstractAsyncContextManager[T]) -> Iterator[tuple[asyncio.Runner, T]]:
    """One server for all cases, and what runs coroutines beside it."""
    with asyncio.Runner() as runner:
        opened = runner.run(context.__aenter__())
        try:
            yield runner, opened
        finally:
            runner.run(context.__aexit__(None, None, None))


@pytest.mark.timeout(3600)
def test_whatever_is_asked_has_one_answer_and_the_connection_stays_in_step():
    with kept_open(started_grid("--log-format", "json")) as (runner, grid):
        runner.run(_prepare(grid))
        port = urlsplit(grid.url).port

        @fuzzing(2 / 3)
        @given(cases(DOCUMENT))
        def check(case: Case) -> None:
            runner.run(_answered(port, case, grid.token))

        check()

    events = [json.loads(line) for line in grid.output[grid.output.index("Ctrl-C stops it.\n") + 1 :]]
    assert [event for event in events if event["level"] == "error"] == []


@pytest.mark.timeout(3600)
def test_whatever_bytes_are_sent_they_are_answered_in_good_form_or_cut_off():
    stream = io.StringIO()
    with kept_open(edge(patience=HURRY, intake=Intake(patience_s=0.02), stream=stream)) as (runner, served):

        @fuzzing(1 / 3)
        @given(spoilt_bytes(DOCUMENT, TOKEN))
        def check(data: bytes) -> None:
            runner.run(_ended(served, data))

        check()

    assert [line for line in stream.getvalue().splitlines() if json.loads(line)["level"] == "error"] == []


async def _prepare(grid: StartedGrid) -> None:
    async with http(grid) as client:
        await deploy(client, KEPT, SOURCE)


async def _answered(port: int, case: Case, token: str) -> None:
    connection = await Connection.open(port)
    try:
        reply = await _reply(connection, case, token)
        _check(reply, case)
        if reply.headers.get("content-type") == "text/event-stream" and case.method != "HEAD":
            return
        if reply.headers.get("connection") == "close":
            assert await connection.rest() == b""
        else:
            assert (await connection.asked(LIVE)).json()["status"] == "live"
    finally:
        connection.close()


async def _reply(connection: Connection, case: Case, token: str) -> Reply:
    """The answer, read while the request is still being sent."""
    sending = asyncio.create_task(connection.send(case.encoded(token)))
    while (reply := await connection.head()).status == httpx.codes.CONTINUE:
        pass
    if reply.headers.get("content-type") != "text/event-stream":
        reply = await connection.with_body(reply, to_head=case.method == "HEAD")
    await asyncio.gather(sending, return_exceptions=True)
    return reply


def _check(reply: Reply, case: Case) -> None:
    """Every answer has its form."""
    assert reply.status < 500, reply
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["x-content-type-options"] == "nosniff"
    if reply.status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
    if reply.status >= 400 and case.method != "HEAD":
        problem = reply.json()
        assert (problem["status"], problem["requestId"]) == (reply.status, reply.headers["x-request-id"])
    elif reply.body and reply.headers["content-type"] == "application/json":
        reply.json()


async def _ended(served: Edge, data: bytes) -> None:
    """Send the bytes and a last request; all that comes until the end must be answers, whole ones, none of them 5xx."""
    connection = await Connection.open(served.port)
    try:
        sending = asyncio.create_task(connection.send(data + LAST))
        # A stream of log lines has no end.
        answers = await connection.rest(until=b"content-type: text/event-stream")
        await asyncio.gather(sending, return_exceptions=True)
    finally:
        connection.close()
    _check_stream(answers)
    assert (await served.ask(LIVE)).status == 200


def _check_stream(answers: bytes) -> None:
    """An answer to HEAD has no body, and nobody knows any more which one that was: both readings will do."""
    while answers:
        head, found, rest = answers.partition(b"\r\n\r\n")
        status, headers = _parsed(head)
        assert status < 500, answers
        if b"text/event-stream" in head:
            return
        assert found
        length = 0 if status in (100, 204) else int(headers.get("content-length", 0))
        bodiless = not rest or rest.startswith(b"HTTP/1.1 ")
        assert bodiless or len(rest) >= length, answers
        answers = rest if bodiless else rest[length:]


def _parsed(head: bytes) -> tuple[int, dict[str, Any]]:
    line, *rows = head.decode("latin-1").split("\r\n")
    assert line.startswith("HTTP/1.1 "), head
    return int(line.split(" ")[1]), {name.lower(): value for name, value in (row.split(": ", 1) for row in rows)}
