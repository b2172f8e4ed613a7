"""What a handler takes and gives: neutral values, so that the same table is served by ASGI and by a Lambda."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

import msgspec
from msgspec import Struct

from nanogrid.api.services import Services
from nanogrid.model import DEFAULT_TENANT, Principal

JSON = "application/json"
PROBLEM = "application/problem+json"
MULTIPART = "multipart/form-data"
EVENTS = "text/event-stream"
ANY_TYPE = "*/*"

_encoder = msgspec.json.Encoder()


class Request(Struct, frozen=True, kw_only=True):
    """One request, read in full. Header names are lower-case; a repeated header is joined with commas."""

    id: str
    method: str
    path: str
    #: The same as it came, percent-encoded; empty where that is not known.
    raw_path: str = ""
    #: What the path template's `{names}` stand for.
    params: Mapping[str, str]
    #: The query as it came, without the question mark.
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    #: Who asks; None on public routes.
    principal: Principal | None = None
    #: The address that it came from; empty where that is not known.
    client: str = ""

    @property
    def tenant(self) -> str:
        """Whose functions and runs the request is about."""
        return self.principal.tenant if self.principal else DEFAULT_TENANT


class Answer(Struct, frozen=True, kw_only=True):
    """A whole answer. `X-Request-Id` and the length are added by who sends it."""

    status: int = 200
    body: bytes = b""
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Stream(Struct, frozen=True, kw_only=True):
    """An answer that is sent piece by piece until its pieces end, its reader goes, or the server stops."""

    pieces: AsyncGenerator[bytes, None]
    status: int = 200
    media_type: str = EVENTS
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request, Services], Awaitable[Answer | Stream]]
#: Sees a request without its body, and raises what is to be refused.
Check = Callable[[Request, Services], Awaitable[None]]


def json_answer(value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """The value as a JSON answer, encoded once; a `Raw` inside is copied as it is."""
    return Answer(status=status, body=_encoder.encode(value), headers=headers)
