"""What every face of the API checks about a request's head, and puts on every answer's."""

from collections.abc import Mapping

from nanogrid.errors import Forbidden, NotFound

#: On every answer: nothing is sniffed, nothing is kept.
ALWAYS = (("x-content-type-options", "nosniff"), ("cache-control", "no-store"))


#: Functions are asked below this, by pages from anywhere: they are told the Origin, and decide themselves.
_FUNCTIONS = "/fn/"


def check_origin(headers: Mapping[str, str], path: str) -> None:
    """Refuse what a page from elsewhere sends to the grid itself. Raises `Forbidden`."""
    if path.startswith(_FUNCTIONS):
        return
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise Forbidden(f"pages of {origin[:100]!r} may not use this grid.")


def slash_in_name(path: str) -> NotFound:
    """The refusal of a path in which an encoded slash would be part of a name."""
    return NotFound(f"there is nothing under {path[:200]!r}.", hint="Names have no slash, not even an encoded one.")
