"""A tiny HTTP server for tests of load: what it answers, and when, is up to the test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Answer = Callable[[int], Awaitable[bytes]]


def http(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Some\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def read_request(reader: asyncio.StreamReader) -> bool:
    """Whether a whole request came; False where the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return True


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """The server's address; `answer` gets the request's number, from 0, and returns the whole answer."""
    numbers = itertools.count()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await read_request(reader):
            writer.write(await answer(next(numbers)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/run"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
