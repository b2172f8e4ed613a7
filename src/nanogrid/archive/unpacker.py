"""Puts an archive's files into a folder."""

import os
import shutil
import tempfile
from pathlib import Path

from nanogrid.archive.limits import DEFAULT_LIMITS, Limits
from nanogrid.archive.reader import Entry, inflated, read_entries

_READABLE, _EXECUTABLE, _FOLDER = 0o444, 0o555, 0o755


def unpack(content: bytes, target: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
    """Put the files below `target`, all or none: it appears complete or not at all, and must not exist yet.

    Files are 0444, or 0555 where executable; folders 0755. The archive is checked once more: a store is not trusted to
    keep others out. Raises `ArchiveRefused`, `TooLarge`, `OSError`.
    """
    entries = read_entries(content, limits)
    draft = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        _write_all(content, entries, draft)
        draft.chmod(_FOLDER)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_all(content: bytes, entries: list[Entry], root: Path) -> None:
    base, made = str(root), {""}
    for entry in entries:
        _make_folders(base, entry.name.rpartition("/")[0], made)
        _write(content, entry, f"{base}/{entry.name}")


def _make_folders(base: str, folder: str, made: set[str]) -> None:
    if folder in made:
        return
    _make_folders(base, folder.rpartition("/")[0], made)
    path = f"{base}/{folder}"
    os.mkdir(path)  # noqa: PTH102 - ten thousand files: text, not Path
    os.chmod(path, _FOLDER)  # noqa: PTH101 - likewise; mkdir's own mode is cut by the umask
    made.add(folder)


def _write(content: bytes, entry: Entry, path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        for chunk in inflated(content, entry):
            _write_fully(file.fileno(), chunk)
        os.fchmod(descriptor, _EXECUTABLE if entry.executable else _READABLE)


def _write_fully(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
