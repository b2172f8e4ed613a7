"""Which names an archive may hold: plain relative paths that mean the same file on every system."""

import re
import unicodedata

from nanogrid.archive.limits import Limits
from nanogrid.errors import ArchiveRefused, TooLarge

_DRIVE = re.compile(r"[A-Za-z]:")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SHOWN = 120


def refused(name: str, reason: str, *, hint: str = "") -> ArchiveRefused:
    """The error for one entry, its name cut to a readable length."""
    shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
    return ArchiveRefused(f"the archive's entry {shown!r} {reason}.", path="$.zip", hint=hint)


def check_path(name: str, limits: Limits) -> list[str]:
    """The parts of a relative path. Raises `ArchiveRefused` for a path that could lead, or look, anywhere else."""
    if _UNPRINTABLE.search(name):
        raise refused(name, "has a control character or half a character in its name")
    if "\\" in name:
        raise refused(name, "has a backslash in its name", hint="Separate folders with '/'.")
    if name.startswith("/") or _DRIVE.match(name):
        raise refused(name, "is absolute", hint="Use paths relative to the top of the archive.")
    if len(name.encode()) > limits.path_bytes:
        raise refused(name, f"has a path of more than {limits.path_bytes} bytes")
    parts = name.split("/")
    if len(parts) > limits.levels:
        raise refused(name, f"lies more than {limits.levels} levels deep")
    for part in parts:
        _check_part(name, part, limits)
    return parts


def _check_part(name: str, part: str, limits: Limits) -> None:
    if part in ("", ".", ".."):
        raise refused(name, f"has the part {part!r} in its path", hint="Use plain relative paths.")
    if len(part.encode()) > limits.part_bytes:
        raise refused(name, f"has a part of more than {limits.part_bytes} bytes in its path")


def _folded(part: str) -> str:
    """What a file system that ignores case and Unicode forms would compare."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


class NameBook:
    """All names of one archive so far; refuses what could not stand side by side on every file system."""

    def __init__(self, limits: Limits) -> None:
        """Empty."""
        self._limits = limits
        # Folded path -> the path as first written, and whether it is a file.
        self._taken: dict[str, tuple[str, bool]] = {}
        # Folder as written -> its folded path, so that each is folded once.
        self._folders: dict[str, str] = {"": ""}
        self._listed_folders: set[str] = set()

    def add_file(self, name: str) -> None:
        """Enter a file and the folders above it. Raises `ArchiveRefused`, `TooLarge`."""
        parts = check_path(name, self._limits)
        folded = self._enter_folders(name, parts[:-1])
        self._take(f"{folded}/{_folded(parts[-1])}", name, is_file=True)

    def add_folder(self, name: str) -> None:
        """Enter a folder that has an entry of its own; `name` ends with a slash. Raises likewise."""
        self._enter_folders(name, check_path(name[:-1], self._limits))
        if name in self._listed_folders:
            raise refused(name, "is there twice")
        self._listed_folders.add(name)

    def _enter_folders(self, name: str, parts: list[str]) -> str:
        written, folded = "", ""
        for part in parts:
            written = f"{written}/{part}" if written else part
            known = self._folders.get(written)
            if known is None:
                known = f"{folded}/{_folded(part)}"
                self._take(known, written, is_file=False)
                self._folders[written] = known
            folded = known
        return folded

    def _take(self, folded: str, written: str, *, is_file: bool) -> None:
        other = self._taken.get(folded)
        if other is not None:
            raise refused(written, _clash(written, other, is_file=is_file))
        if len(self._taken) >= self._limits.entries:
            raise TooLarge(f"the archive has more than {self._limits.entries} files and folders.")
        self._taken[folded] = (written, is_file)


def _clash(written: str, other: tuple[str, bool], *, is_file: bool) -> str:
    name, was_file = other
    if was_file != is_file:
        return f"is both a file and a folder (see {name[:_SHOWN]!r})"
    if name == written:
        return "is there twice"
    return f"differs from {name[:_SHOWN]!r} only in case or Unicode form"
