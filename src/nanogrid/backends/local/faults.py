"""What the disk and SQLite raise, in NanoGrid's words: the one place where it is translated."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from nanogrid.errors import StoreUnavailable

_HINTS = {
    "SQLITE_FULL": "Free some disk space; the grid goes on by itself.",
    "SQLITE_CORRUPT": "Stop the grid and restore the data folder from a backup.",
    "SQLITE_NOTADB": "Stop the grid and restore the data folder from a backup.",
    "SQLITE_READONLY": "Give the grid's user the right to write the data folder.",
}


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise `StoreUnavailable` for whatever the disk or SQLite raises; `doing` says what was tried, and where."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        name = getattr(exc, "sqlite_errorname", None)
        hint = _HINTS.get(str(name), "Look at the disk of the data folder, then try again.")
        raise StoreUnavailable(f"{doing} failed: {exc}.", hint=hint) from exc
