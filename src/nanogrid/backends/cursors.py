"""Cursors: where a listing goes on, opaque to whoever carries them."""

import base64
import binascii

from nanogrid.errors import InvalidField, MalformedRequest
from nanogrid.ports.record_rules import check_name


def to_cursor(place: str) -> str:
    """The cursor that stands for a place in a listing."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> str:
    """The place that a cursor stands for; the caller checks that it is one of his. Raises `MalformedRequest`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as exc:
        raise foreign_cursor(cursor) from exc


def foreign_cursor(cursor: str) -> MalformedRequest:
    """The error for a cursor that some listing did not make."""
    return MalformedRequest(f"{cursor[:40]!r} is no cursor of this listing.", hint="Send `nextCursor` as it came.")


def record_name_from(cursor: str, prefix: str) -> str:
    """The name of a record, with that prefix, that a cursor stands for. Raises `MalformedRequest`."""
    name = from_cursor(cursor)
    try:
        check_name(name)
    except InvalidField as exc:
        raise foreign_cursor(cursor) from exc
    if not name.startswith(prefix):
        raise foreign_cursor(cursor)
    return name
