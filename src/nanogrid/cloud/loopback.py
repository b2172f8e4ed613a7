"""A small HTTP server for this machine only: a worker's probes, and the parts of AWS that a rehearsal plays."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import h11

from nanogrid.model import Record

_MAX_BODY_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024


class Asked(Record, frozen=True):
    """A request, read in full. Header names are lower-case; the path has its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Said(Record, frozen=True):
    """A whole answer."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"


Reply = Callable[[Asked], Awaitable[Said]]


@asynccontextmanager
async def serving(reply: Reply, *, port: int = 0) -> AsyncIterator[int]:
    """Serve on 127.0.0.1 as long as the context lasts; the port, a free one for 0. Raises `OSError` where it is taken.

    Connections that are open at the end are cut.
    """
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        connections.add(task)
        task.add_done_callback(connections.discard)
        with suppress(ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            await _converse(reply, reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, for a program that wants to be told one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def _converse(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request after another, until either side has enough."""
    connection = h11.Connection(h11.SERVER)
    while (asked := await _read(connection, reader)) is not None:
        said = await reply(asked)
        writer.write(_encoded(connection, said))
        await writer.drain()
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
    """The next request; None where there will be no more. Raises `h11.RemoteProtocolError`."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MAX_BODY_BYTES:
                raise h11.RemoteProtocolError(f"a body of more than {_MAX_BODY_BYTES} bytes")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return Asked(head.method.decode(), head.target.decode("latin-1"), headers, body)
        else:
            return None


def _encoded(connection: h11.Connection, said: Said) -> bytes:
    """The answer in one piece, so that it is one packet."""
    head = h11.Response(
        status_code=said.status, headers=[("content-type", said.media_type), ("content-length", str(len(said.body)))]
    )
    events = [head, h11.Data(data=said.body), h11.EndOfMessage()]
    return b"".join(connection.send(event) or b"" for event in events)
