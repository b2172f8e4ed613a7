"""What is checked about a request before anything else happens: its size and its Host."""

from collections.abc import Iterable
from itertools import chain

import httptools
from msgspec import Struct
from starlette.types import Scope

from nanogrid.api.head import slash_in_name
from nanogrid.api.route import Route
from nanogrid.errors import AddressTooLong, HeadersTooLarge, MalformedRequest, Misdirected

MAX_ADDRESS_BYTES = 8 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 100


class Head(Struct, frozen=True, kw_only=True):
    """What is known of a request before its body."""

    route: Route
    #: What the path template's `{names}` stand for.
    params: dict[str, str]
    headers: dict[str, str]
    method: str
    path: str
    query: str
    #: The path as it came, percent-encoded.
    raw_path: str = ""
    #: The address that it came from.
    client: str = ""

    #: What stands for the token that came with it; see `api.auth.presented`. Who holds that is looked up each time.
    digest: str | None = None
    #: Of the body, in bytes, as far as it was announced in one number; else -1.
    length: int = -1


def length_of(headers: dict[str, str]) -> int:
    """How long the body is said to be; -1 where nothing is said, or no number."""
    announced = headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else -1


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name. Raises `AddressTooLong`, `HeadersTooLarge`."""
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS_BYTES:
        raise AddressTooLong(f"the URL has more than {MAX_ADDRESS_BYTES} bytes.")
    if len(raw) > MAX_HEADERS or sum(map(len, chain.from_iterable(raw))) > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"the headers are more than {MAX_HEADERS}, or than {MAX_HEADER_BYTES} bytes.")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    return headers if len(headers) == len(raw) else _joined(raw)


def path_of(scope: Scope) -> str:
    """The path, decoded. Raises `NotFound` where a slash came encoded: it would be part of a name, and none has one."""
    path: str = scope["path"]
    raw = scope.get("raw_path") or b""
    if b"%" in raw and b"%2f" in raw.lower():
        raise slash_in_name(path)
    return path


def check_host(headers: dict[str, str], allowed: frozenset[str]) -> None:
    """Refuse a name that is not ours: a page may have bound it to this address. Raises `Misdirected`."""
    host = headers.get("host")
    if host is None:
        raise MalformedRequest("the request has no Host.")
    if host_name(host) not in allowed:
        raise Misdirected(
            f"this grid is not {host[:100]!r}.", hint="Use its address, or start it with that name in `allowed_hosts`."
        )


def host_name(host: str) -> str:
    """The name or address in a Host header, without the port and the brackets around IPv6; empty if it is neither."""
    name, _, port = host[1:].partition("]") if host.startswith("[") else host.partition(":")
    port = port.removeprefix(":")
    return name.lower().removesuffix(".") if port.isdecimal() or not port else ""


def names_another_host(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request's target is a whole URL, of another host than the header says. Raises where it is no URL."""
    host = httptools.parse_url(target).host
    if host is None:
        return False
    named = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
    return host_name(named) != host.decode("latin-1").lower()


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Where a header is repeated: all of its values, so that no two readers see different ones."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
