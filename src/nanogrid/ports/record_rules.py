"""What a record store keeps: kinds, names and values that every backend can hold."""

import re

from msgspec import Raw

from nanogrid.errors import InvalidField

MAX_NAME = 512
MAX_VALUE_BYTES = 128 * 1024

_KIND = re.compile(r"[a-z][a-z-]{0,31}\Z")
_NAME = re.compile(r"[!-~]+\Z")


def check_kind(kind: str) -> None:
    """Raise `InvalidField` where this is no kind of record."""
    if _KIND.match(kind) is None:
        raise InvalidField(f"{kind[:40]!r} is no kind of record.", path="$.kind", hint="Use a lower-case word.")


def check_name(name: str) -> None:
    """Raise `InvalidField` where no record can be called so."""
    if len(name) > MAX_NAME or _NAME.match(name) is None:
        raise InvalidField(
            f"{name[:80]!r} is no name of a record.",
            path="$.name",
            hint=f"Use 1 to {MAX_NAME} visible ASCII characters.",
        )


def check_value(value: Raw) -> None:
    """Raise `InvalidField` where the value is too large; that it is JSON is the caller's word."""
    size = len(memoryview(value))
    if size > MAX_VALUE_BYTES:
        raise InvalidField(f"the record has {size} bytes; {MAX_VALUE_BYTES} are allowed.", path="$.value")
