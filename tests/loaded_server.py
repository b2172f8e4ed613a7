"""A tiny HTTP server for tests of load: what it answers, and when, is up to the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[int], Awaitable[bytes]]


def http(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Some\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def read_request(reader: asyncio.StreamReader) -> bool:
    """Whether a whole request came; False where the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return True


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """The server's address; `answer` gets the request's number, from 0, and returns the whole answer."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while await read_request(reader):
            number, count = count, count + 1
            writer.write(await answer(number))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/run"
    finally:
        server.close()
        await server.wait_closed()
