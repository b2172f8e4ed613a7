"""Finds the grid that is meant: its address, and the token that belongs to that address.

A token is never sent to another address than the one it was kept with.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from nanogrid.client.errors import ConnectionFailed
from nanogrid.errors import ConfigError

_START = "Start one with `nanogrid up`, or name one with `nanogrid login URL` or NANOGRID_URL."
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Place(Struct, frozen=True):
    """Where a grid is, and what opens it."""

    url: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Place({self.url!r}, token={'…' if self.token else None})"


def find(url: str | None, token: str | None, environ: Mapping[str, str]) -> Place:
    """The grid to speak to: as given, else by environment, else as logged in, else the one of the data folder.

    Raises `ConnectionFailed` where none is known, `ConfigError` for an address that is none.
    """
    kept = [place for place in (_logged_in(login_file(environ)), _local(data_folder(environ))) if place]
    url = url or environ.get("NANOGRID_URL") or (kept[0].url if kept else None)
    if url is None:
        raise ConnectionFailed("no grid is known here.", sent=False, hint=_START)
    url = checked(url)
    token = token or environ.get("NANOGRID_TOKEN") or next((p.token for p in kept if p.url == url), None)
    return Place(url, token)


def checked(url: str) -> str:
    """The URL without its end slash. Raises `ConfigError` where it is not one of http or https."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} is no address of a grid.", hint="It looks like http://127.0.0.1:8080.")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether the address is this very machine."""
    return urlsplit(url).hostname in _LOOPBACK


def login_file(environ: Mapping[str, str]) -> Path:
    """Where `nanogrid login` keeps address and token."""
    base = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "nanogrid" / "login.json"


def data_folder(environ: Mapping[str, str]) -> Path:
    """Where a grid of this machine and user keeps its state, the same as `nanogrid up` chooses."""
    if chosen := environ.get("NANOGRID_DATA"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/nanogrid")
    base = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "nanogrid"


def keep_login(place: Place, environ: Mapping[str, str]) -> Path:
    """Remember the grid for this user, unreadable for others; returns the file."""
    path = login_file(environ)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written beside and renamed: the file is never half there, and never readable by others, not even for a moment.
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"url": place.url, "token": place.token}, file)
    fresh.replace(path)
    return path


def forget_login(environ: Mapping[str, str]) -> bool:
    """Remove what `keep_login` wrote; whether there was anything."""
    path = login_file(environ)
    known = path.exists()
    path.unlink(missing_ok=True)
    return known


def _logged_in(path: Path) -> Place | None:
    text = _text(path)
    if text is None:
        return None
    try:
        login = json.loads(text)
        return Place(str(login["url"]).rstrip("/"), login.get("token"))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{path} cannot be read.", hint="Log in again: `nanogrid login URL`.") from exc


def _local(folder: Path) -> Place | None:
    address = _text(folder / "address")
    return Place(address.rstrip("/"), _text(folder / "token")) if address else None


def _text(path: Path) -> str | None:
    """The file's text; None where there is none, or none for us: another user's grid is not ours."""
    try:
        return path.read_text().strip() or None
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
