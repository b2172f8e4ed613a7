"""Identifiers: sortable by time, unguessable, and checked wherever one comes in."""

import functools
import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_IDENTIFIER = re.compile(r"(fn|run|key)_[0-9abcdefghjkmnpqrstvwxyz]{26}\Z")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
#: The same functions are asked for again and again: of so many references is remembered whether they are any.
_REMEMBERED = 4096
_MASK = (1 << 60) - 1
_QUALIFIER = re.compile(r"(?:[1-9][0-9]{0,8}|[A-Za-z][A-Za-z0-9_-]{0,63})\Z")
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def sortable() -> str:
    """26 characters: 64 bits of nanoseconds, so that two of one burst keep their order, then 66 random bits."""
    at, chance = time.time_ns(), int.from_bytes(os.urandom(9), "big")
    # In three numbers of up to 60 bits, with which Python computes fast: 60 of the time, 4 and 6, 60 of chance.
    return f"{_twelve(at >> 4)}{_PAIRS[(at & 15) << 6 | chance >> 66]}{_twelve(chance & _MASK)}"


def _twelve(bits: int, pairs: list[str] = _PAIRS) -> str:
    """60 bits as twelve characters; written out, because each run needs it twice."""
    return (
        f"{pairs[bits >> 50]}{pairs[bits >> 40 & 1023]}{pairs[bits >> 30 & 1023]}"
        f"{pairs[bits >> 20 & 1023]}{pairs[bits >> 10 & 1023]}{pairs[bits & 1023]}"
    )


def is_sortable(text: str) -> bool:
    """Whether `sortable` could have made the text."""
    return _IDENTIFIER.match("run_" + text) is not None


def new_function_id() -> str:
    """A new function's id, `fn_` and 26 characters."""
    return "fn_" + sortable()


def new_run_id() -> str:
    """A new run's id, `run_` and 26 characters; later ones sort after earlier ones."""
    return "run_" + sortable()


def new_key_id() -> str:
    """A new key's id, `key_` and 26 characters."""
    return "key_" + sortable()


def is_key_id(text: str) -> bool:
    """Whether the text has the form of a key's id."""
    return text.startswith("key_") and _IDENTIFIER.match(text) is not None


def is_run_id(text: str) -> bool:
    """Whether the text has the form of a run's id."""
    return text.startswith("run_") and _IDENTIFIER.match(text) is not None


def is_function_name(text: str) -> bool:
    """Whether a function may be called so: a name, and nothing that could be an id."""
    return _NAME.match(text) is not None and _IDENTIFIER.match(text) is None


def is_run_reference(text: str) -> bool:
    """Whether the text could name what to run: a function, or a version or alias of it behind a colon."""
    reference, colon, qualifier = text.partition(":")
    return is_function_reference(reference) and (not colon or _QUALIFIER.match(qualifier) is not None)


@functools.lru_cache(_REMEMBERED)
def is_function_reference(text: str) -> bool:
    """Whether the text could name a function: its id or a name."""
    return _IDENTIFIER.match(text) is not None or _NAME.match(text) is not None
