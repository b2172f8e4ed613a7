"""One call of one operation: what its handler is given, and how it reads and answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from nanogrid.api.message import Answer, Request, Stream
from nanogrid.api.reading import check_text
from nanogrid.api.services import Services
from nanogrid.errors import NanoGridError
from nanogrid.gateway.lambda_api.caller import Caller
from nanogrid.gateway.lambda_api.operations import Operation
from nanogrid.gateway.lambda_api.refusals import Refusal, invalid

S = TypeVar("S", bound=Struct)

#: The most items on one page of a listing, as on AWS.
PAGE = 50
_LARGE = 256 * 1024
_encoder = msgspec.json.Encoder()


class Shape(Struct, frozen=True, rename="pascal", kw_only=True):
    """Base of what goes over the wire: what is unset is absent."""


class Call(Struct, frozen=True, kw_only=True):
    """A verified request."""

    operation: Operation
    request: Request
    services: Services
    caller: Caller

    @property
    def params(self) -> Mapping[str, str]:
        """What stands in the path."""
        return self.request.params

    @property
    def tenant(self) -> str:
        """Whose functions it is about."""
        return self.caller.tenant

    @property
    def base_url(self) -> str:
        """Where the client reaches this grid."""
        headers = self.request.headers
        return f"{headers.get('x-forwarded-proto', 'http')}://{headers['host']}"

    def body(self, kind: type[S]) -> S:
        """The body as this shape; members that it does not have are passed over, as on AWS.

        Raises `Refusal`, `MalformedRequest`.
        """
        check_text(self.request.body)
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except msgspec.DecodeError as exc:
            raise Refusal("SerializationException", 400, f"The body cannot be read: {exc}") from exc

    async def large_body(self, kind: type[S]) -> S:
        """The same, where the body may be so large that nobody else should wait for it."""
        return await asyncio.to_thread(self.body, kind) if len(self.request.body) > _LARGE else self.body(kind)

    def query(self) -> Mapping[str, list[str]]:
        """The query, decoded."""
        return parse_qs(self.request.query, keep_blank_values=True)

    def queried(self, name: str) -> str:
        """One parameter of the query; empty where it is absent."""
        return self.query().get(name, [""])[0]

    def page(self) -> tuple[int, str | None]:
        """How many items, and from where on. Raises `Refusal`."""
        asked = self.queried("MaxItems") or str(PAGE)
        if not (asked.isascii() and asked.isdecimal() and int(asked[:9]) > 0):
            raise invalid(f"MaxItems must be a number from 1 to 10000, and not {asked[:20]!r}.")
        return min(int(asked[:9]), PAGE), self.queried("Marker") or None

    def answer(self, value: object = None, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        """The value as the answer; nothing where there is none."""
        body = b"" if value is None else _encoder.encode(value)
        own = (("x-amzn-requestid", self.request.id), *headers)
        return Answer(status=status, body=body, headers=own)


Serve = Callable[[Call], Awaitable[Answer | Stream]]


def bad_marker(error: NanoGridError) -> Refusal:
    """A listing does not go on from there."""
    return invalid(f"Invalid Marker: {error}")
