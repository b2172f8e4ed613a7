"""A gateway on a loopback port in this process, with the patience that a test needs."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from raw_http import Connection, Reply, request

from gateway_harness import HELLO, TOKEN, Grid, opened, working
from nanogrid.gateway.intake import Intake
from nanogrid.gateway.server import Server
from nanogrid.gateway.watch import Patience

#: So short that a test sees the end of it, unless it says otherwise.
SHORT = Patience(head_s=0.05, rest_s=0.05, close_s=0.05, read_s=0.05, look_s=0.01)


@dataclass
class Edge:
    """A served grid; `hello` is deployed and echoes."""

    grid: Grid
    server: Server
    port: int
    connections: list[Connection] = field(default_factory=list)

    async def open(self) -> Connection:
        """A connection, closed with the server at the latest."""
        self.connections.append(await Connection.open(self.port))
        return self.connections[-1]

    async def ask(self, data: bytes) -> Reply:
        """The answer to a request on a connection of its own."""
        connection = await self.open()
        reply = await connection.asked(data)
        connection.close()
        return reply


@asynccontextmanager
async def edge(
    *,
    patience: Patience | None = None,
    intake: Intake | None = None,
    max_connections: int = 8192,
    idle: bool = False,
    **options: Any,
) -> AsyncIterator[Edge]:
    """With `idle` nobody works: the test takes the tasks itself."""
    async with opened(**options) as grid, contextlib.nullcontext() if idle else working(grid):
        if intake is not None:
            grid.gateway._intake = intake
        server = Server(
            grid.gateway, grid.log, host="127.0.0.1", port=0, patience=patience, max_connections=max_connections
        )
        served = Edge(grid, server, await server.start())
        await served.ask(request("POST", "/functions", msgspec.json.encode(HELLO), token=TOKEN))
        try:
            yield served
        finally:
            for connection in served.connections:
                connection.close()
            await server.stop(grace_s=1)


def run_body(value: Any) -> bytes:
    return msgspec.json.encode({"functionId": "hello", "input": value})
