"""HTTP by hand: exactly these bytes go out, and what comes back is read strictly."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, replace
from typing import Any

#: A hang fails the test that meets it; nothing here is ever this slow.
HANG_S = 30


@dataclass(frozen=True)
class Reply:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**20))

    async def send(self, data: bytes) -> None:
        """Raises `ConnectionError` where the server has closed."""
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    async def reply(self, *, to_head: bool = False) -> Reply:
        """The next answer. Raises where what comes is none, or nothing comes."""
        return await self.with_body(await self.head(), to_head=to_head)

    async def head(self) -> Reply:
        """The next answer's head."""
        async with asyncio.timeout(HANG_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rows = head[:-4].split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (row.split(": ", 1) for row in rows)}
        assert len(headers) == len(rows), f"a header comes twice: {rows}"
        return Reply(int(status), headers)

    async def with_body(self, head: Reply, *, to_head: bool = False) -> Reply:
        """The answer with this head."""
        if to_head or head.status in (100, 204):
            return head
        async with asyncio.timeout(HANG_S):
            return replace(head, body=await self._body(head.headers))

    async def asked(self, data: bytes) -> Reply:
        """The answer to these bytes."""
        await self.send(data)
        return await self.reply()

    async def rest(self, *, until: bytes = b"\0") -> bytes:
        """All that comes until the server ends the connection, in order or not, or until these bytes have come."""
        came = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(HANG_S):
                while until not in came and (piece := await self._reader.read(65_536)):
                    came += piece
        return came

    def close(self) -> None:
        self._writer.close()

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers["content-length"]))
        pieces = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            pieces.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return b"".join(pieces)


def request(method: str, target: str, body: bytes = b"", *, token: str | None = None, **headers: str) -> bytes:
    """A request as a good client sends it; a header's `_` stands for `-`."""
    lines = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "content-type: application/json"] if body else []
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


LIVE = request("GET", "/health/live")
