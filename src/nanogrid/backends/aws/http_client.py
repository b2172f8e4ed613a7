"""A small HTTP client: connections that are kept, time-outs, nothing of the services.

Our own, because the hot path is thousands of small requests to few hosts, and a Lambda's cold start imports it: an
exchange costs a quarter of what it costs with botocore, and nothing is imported that the gateway does not import anyway
(docs/why.md has the figures).
"""

import asyncio
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from nanogrid.backends.aws.connection import Answer, Connection

_CONNECT_S = 5.0
#: Connections that are kept for each host while nobody uses them.
_KEPT = 64
#: How long one is kept; AWS closes idle ones after a while, and a dead one costs another try.
_KEPT_S = 20.0


class Origin(NamedTuple):
    """A server."""

    secure: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        return self.host if self.port == (443 if self.secure else 80) else f"{self.host}:{self.port}"


class HttpClient:
    """Connections by origin, used again while they live."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is made with the first secure connection where none is given."""
        self._tls = tls
        self._idle: dict[Origin, list[tuple[float, Connection]]] = {}
        self._closed = False

    async def exchange(
        self,
        origin: Origin,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        timeout_s: float = 10.0,
    ) -> Answer:
        """Send one request. Raises `OSError`, `TimeoutError` among them, where no whole answer comes."""
        head = [f"{method} {target} HTTP/1.1\r\nhost: {origin.authority}\r\ncontent-length: {len(body)}\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items()]
        request = "".join([*head, "\r\n"]).encode("latin-1") + body
        async with asyncio.timeout(timeout_s):
            while (kept := self._take(origin)) is not None:
                try:
                    return await self._exchange_on(kept, origin, request, bodiless=method == "HEAD")
                except ConnectionError:
                    # The other side may close an idle connection at any time; then the request was not seen.
                    if kept.answered:
                        raise
            fresh = await self._connect(origin)
            return await self._exchange_on(fresh, origin, request, bodiless=method == "HEAD")

    def close(self) -> None:
        """Close what is idle; what is in use closes when it is done."""
        self._closed = True
        for kept in self._idle.values():
            for _, connection in kept:
                connection.close()
        self._idle.clear()

    async def _exchange_on(self, connection: Connection, origin: Origin, request: bytes, *, bodiless: bool) -> Answer:
        try:
            return await connection.exchange(request, bodiless=bodiless)
        finally:
            idle = self._idle.setdefault(origin, [])
            if connection.reusable and len(idle) < _KEPT and not self._closed:
                idle.append((asyncio.get_running_loop().time(), connection))
            else:
                connection.close()

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            since, connection = idle.pop()
            if connection.reusable and asyncio.get_running_loop().time() - since < _KEPT_S:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        if origin.secure and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_S):
            _, connection = await loop.create_connection(
                Connection,
                origin.host,
                origin.port,
                ssl=self._tls if origin.secure else None,
                server_hostname=origin.host if origin.secure else None,
            )
        return connection


def origin_of(url: str) -> Origin:
    """The server that a URL names."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return Origin(secure, parts.hostname or "", parts.port or (443 if secure else 80))
