"""Speaks HTTP to one grid: authorises, translates errors, and tries again where that can do no harm."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import httpx

from nanogrid.client.discovery import Place, is_loopback
from nanogrid.client.errors import ConnectionFailed
from nanogrid.client.messages import refusal
from nanogrid.errors import PlatformError, TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How often a request that failed on the way is tried again, after 0.1, 0.3 and so on seconds.
_RETRIES = 2
_FIRST_PAUSE_S = 0.1
#: Servers end idle connections after five seconds or more; a request sent at that very moment would be lost.
_KEEPALIVE_S = 2.0
#: A followed stream says something at least every 15 seconds.
_STREAM_SILENCE_S = 60.0
_BYTES = "application/octet-stream"


class Channel:
    """One grid, as a sender of requests."""

    def __init__(
        self,
        place: Place,
        *,
        timeout_s: float,
        patience_s: float,
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`timeout_s` bounds each step of one request, `patience_s` the waiting altogether after answers of 429."""
        self._place = place
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=place.url,
            headers={"Authorization": f"Bearer {place.token}"} if place.token else {},
            transport=transport,
            # A proxy from the environment has no business between this machine and itself.
            trust_env=not is_loopback(place.url),
            limits=httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_KEEPALIVE_S),
        )

    @property
    def url(self) -> str:
        """Where the grid is."""
        return self._place.url

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
        wait_s: float = 0.0,
    ) -> httpx.Response:
        """The grid's answer. Raises `ConnectionFailed`, and whatever the grid refuses with.

        What was never sent is sent again; what may have been is so only if `idempotent`. `wait_s` is how long the grid
        itself may take, on top of the time-out.
        """
        request = self._http.build_request(
            method,
            path,
            content=body,
            params=query,
            headers={**({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})},
            timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + wait_s),
        )
        return await self._patiently(request, idempotent=idempotent)

    async def upload(self, address: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Send bytes by PUT to a path of the grid, or to a URL elsewhere, which does not see the token.

        Raises as `request`.
        """
        headers = {"Content-Type": _BYTES, **headers}
        if address.startswith("/"):
            await self.request("PUT", address, body=content, headers=headers, idempotent=True)
            return
        timeout = httpx.Timeout(self._timeout_s).as_dict()
        request = httpx.Request("PUT", address, content=content, headers=headers, extensions={"timeout": timeout})
        await self._patiently(request, idempotent=True)

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str | int]) -> AsyncIterator[AsyncIterator[str]]:
        """Lines of an endless answer. Raises `ConnectionFailed`, also in the middle, and what the grid refuses with."""
        timeout = httpx.Timeout(self._timeout_s, read=_STREAM_SILENCE_S)
        with self._translated():
            async with self._http.stream("GET", path, params=query, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                yield response.aiter_lines()

    @asynccontextmanager
    async def answering(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer to a POST while it comes. Raises as `stream`."""
        timeout = httpx.Timeout(self._timeout_s, read=_STREAM_SILENCE_S)
        sent = {"Content-Type": "application/json", **headers}
        with self._translated():
            async with self._http.stream("POST", path, content=body, headers=sent, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                yield response

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _patiently(self, request: httpx.Request, *, idempotent: bool) -> httpx.Response:
        """Send it, again after what passes."""
        failures, waited_s = 0, 0.0
        while True:
            try:
                return await self._once(request)
            except TooManyRequests as exc:
                waited_s += exc.retry_after_s
                if waited_s > self._patience_s:
                    raise
                await self._sleep(exc.retry_after_s)
            except (ConnectionFailed, PlatformError) as exc:
                if failures == _RETRIES or not (idempotent or _unsent(exc)):
                    raise
                await self._sleep(_FIRST_PAUSE_S * 3**failures)
                failures += 1

    async def _once(self, request: httpx.Request) -> httpx.Response:
        with self._translated():
            response = await self._http.send(request)
            if response.status_code == httpx.codes.SEE_OTHER and response.next_request is not None:
                # An answer that is too large for an API on AWS lies in its bucket. The token is not sent there.
                response = await self._http.send(response.next_request)
        if response.is_success:
            return response
        raise refusal(response)

    @contextmanager
    def _translated(self) -> "Iterator[None]":
        """Failures of the HTTP library as our own."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise ConnectionFailed(
                f"no grid answers at {self.url} ({_reason(exc)}).", sent=False, hint=_ABSENT
            ) from exc
        except httpx.TimeoutException as exc:
            raise ConnectionFailed(f"the grid at {self.url} did not answer in time.", hint=_SLOW) from exc
        except httpx.HTTPError as exc:
            raise ConnectionFailed(f"the connection to {self.url} broke ({_reason(exc)}).", hint=_BROKEN) from exc


_ABSENT = "Start one with `nanogrid up`, or name another with `nanogrid login URL` or NANOGRID_URL."
_SLOW = "Look at its log, or allow more time."
_BROKEN = "The request may have reached it; look at `nanogrid runs` before you repeat it."


def _reason(exc: Exception) -> str:
    return str(exc) or type(exc).__name__


def _unsent(exc: Exception) -> bool:
    return isinstance(exc, ConnectionFailed) and not exc.sent
