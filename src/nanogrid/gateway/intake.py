"""Reads bodies: no more than allowed, no longer than sensible, and not too many large ones at once."""

import asyncio

from starlette.types import Message, Receive

from nanogrid.errors import SlowRequest, TooLarge, TooManyRequests

_MIB = 1024 * 1024


class Disconnected(Exception):
    """Raised when the client goes before its body has arrived: no error, for nobody is there to be told."""


class Intake:
    """Reads the bodies of one gateway's requests."""

    def __init__(
        self, *, patience_s: float = 30.0, min_bytes_per_s: int = 1024, max_held_bytes: int = 256 * _MIB
    ) -> None:
        """A body may pause for `patience_s` seconds, and be behind `min_bytes_per_s` by as many.

        `max_held_bytes` is how much of unfinished bodies is kept at once.
        """
        self._patience_s = patience_s
        self._min_bytes_per_s = min_bytes_per_s
        self._max_held = max_held_bytes
        self._held = 0

    async def read(self, headers: dict[str, str], receive: Receive, *, limit: int) -> bytes:
        """The whole body. Raises `TooLarge`, `SlowRequest`, `TooManyRequests`, `Disconnected`."""
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                message = await receive()
                if not message.get("more_body", False):
                    return _piece(message, limit)
                return await self._rest(_piece(message, limit), receive, limit, patience)
        except TimeoutError as exc:
            raise SlowRequest("the body did not arrive in time.", hint="Send it faster, or in smaller parts.") from exc

    async def _rest(self, first: bytes, receive: Receive, limit: int, patience: asyncio.Timeout) -> bytes:
        pieces, size, more = [first], len(first), True
        time = asyncio.get_running_loop().time
        started = time()
        self._hold(size)
        try:
            while more:
                message = await receive()
                piece = _piece(message, limit - size)
                pieces.append(piece)
                self._hold(len(piece))
                size += len(piece)
                patience.reschedule(min(started + size / self._min_bytes_per_s, time()) + self._patience_s)
                more = message.get("more_body", False)
        except TooLarge as exc:
            raise _too_large(limit) from exc
        finally:
            self._held -= sum(map(len, pieces))
        return b"".join(pieces)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._max_held:
            raise TooManyRequests("too many large bodies are arriving at once.", hint="Send this one again later.")


def _piece(message: Message, limit: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    piece: bytes = message.get("body", b"")
    if len(piece) > limit:
        raise _too_large(limit)
    return piece


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes.")
