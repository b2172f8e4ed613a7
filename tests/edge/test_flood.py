"""A really started grid under more than it should have to bear."""

import asyncio
import resource
from pathlib import Path
from urllib.parse import urlsplit

from raw_http import LIVE, Connection, request

from flow_steps import deploy, http, run
from grid import StartedGrid, started_grid
from nanogrid.api.routes import MAX_DEPLOY_BODY, MAX_RUN_BODY

ECHO = "def handler(event, context):\n    return event\n"
MIB = 1024 * 1024


def port_of(grid: StartedGrid) -> int:
    port = urlsplit(grid.url).port
    assert port is not None
    return port


def allow_descriptors() -> None:
    """The test holds as many connections as the grid does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had at once."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(rows["VmHWM"].split()[0]) * 1024


async def held(port: int, data: bytes) -> Connection:
    connection = await Connection.open(port)
    await connection.send(data)
    return connection


async def flooded(port: int, head: bytes, size: int) -> int:
    """Send a chunked body of that size, and return the status of the answer, whenever it comes."""
    connection = await held(port, head)
    reply = asyncio.create_task(connection.reply())
    for _ in range(size // 65_536 + 1):
        if reply.done():
            break
        await connection.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
    status = (await reply).status
    connection.close()
    return status


async def test_honest_requests_are_answered_while_a_thousand_connections_are_held():
    allow_descriptors()
    async with started_grid() as grid, http(grid) as client:
        await deploy(client, "echo", ECHO)
        body = request("POST", "/run", b"{" + b" " * 1000, token=grid.token)[:-500]
        holds = [b"", LIVE[:-2], body, request("GET", "/functions/echo/logs?follow=true", token=grid.token)]
        connections = [await held(port_of(grid), hold) for hold in holds for _ in range(250)]
        outputs = [(await run(client, "echo", n)).json()["output"] for n in range(200)]
        for connection in connections:
            connection.close()

    assert outputs == list(range(200))


async def test_memory_stays_flat_under_two_hundred_bodies_that_say_that_they_are_too_large():
    announced = {"content_length": str(MAX_DEPLOY_BODY + 1), "content_type": "application/json"}
    async with started_grid() as grid:
        before = peak_bytes(grid.pid)
        head = request("POST", "/functions", token=grid.token, **announced)
        replies = await asyncio.gather(*[_refused(port_of(grid), head) for _ in range(200)])
        grown = peak_bytes(grid.pid) - before

    assert set(replies) == {413}
    assert grown < 64 * MIB


async def test_memory_stays_flat_under_two_hundred_endless_bodies_of_strangers():
    head = request("POST", "/functions", transfer_encoding="chunked", content_type="application/json")
    async with started_grid() as grid:
        before = peak_bytes(grid.pid)
        statuses = await asyncio.gather(*[flooded(port_of(grid), head, MAX_RUN_BODY) for _ in range(200)])
        grown = peak_bytes(grid.pid) - before

    assert set(statuses) == {401}
    assert grown < 64 * MIB


async def test_memory_stays_bounded_under_two_hundred_bodies_that_turn_out_too_large():
    chunked = {"transfer_encoding": "chunked", "content_type": "application/json"}
    async with started_grid() as grid:
        before = peak_bytes(grid.pid)
        head = request("POST", "/run", token=grid.token, **chunked)
        statuses = await asyncio.gather(*[flooded(port_of(grid), head, 2 * MAX_RUN_BODY) for _ in range(200)])
        grown = peak_bytes(grid.pid) - before

    assert set(statuses) <= {413, 429}
    assert grown < 400 * MIB


async def _refused(port: int, head: bytes) -> int:
    """The answer to a head whose body keeps coming."""
    connection = await held(port, head)
    await connection.send(b" " * 1_000_000)
    status = (await connection.reply()).status
    connection.close()
    return status
