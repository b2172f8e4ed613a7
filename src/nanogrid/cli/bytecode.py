"""Bytecode beside a function's dependencies: a first run need not compile them. Compiling executes nothing."""

import shutil
from pathlib import Path

from nanogrid.client.bundle import Entry, read_file, read_folder

#: More of it is left out, for it is put into each sandbox.
_MOST_BYTES = 8 * 1024 * 1024
#: Packages and bytecode together: more might be too much for an archive.
_MOST_BYTES_IN_ALL = 100 * 1024 * 1024
_MOST_FILES_IN_ALL = 8_000


def compile_command(python: str, folder: Path) -> list[str]:
    """What has a Python compile all that is in the folder.

    Without times, for an archive keeps none, and without the folder's name, which is no business of whoever runs it.
    """
    options = ["-q", "-j", "1", "--invalidation-mode", "unchecked-hash", "-s", str(folder)]
    return [python, "-I", "-m", "compileall", *options, str(folder)]


def drop_too_much(folder: Path, most_bytes: int = _MOST_BYTES, most_files: int = _MOST_FILES_IN_ALL) -> None:
    """Remove all bytecode where it is more than is worth it, or might make the archive too large."""
    compiled = _compiled(folder)
    everything = [path for path in folder.rglob("*") if path.is_file()]
    fits = _size(compiled) <= most_bytes and _size(everything) <= _MOST_BYTES_IN_ALL and len(everything) <= most_files
    for path in [] if fits else compiled:
        shutil.rmtree(path.parent, ignore_errors=True)


def read_with_bytecode(folder: Path) -> dict[str, Entry]:
    """All files below the folder, and their bytecode, which is left out elsewhere. Raises `InvalidField`."""
    files = read_folder(folder)
    return files | {path.relative_to(folder).as_posix(): read_file(path) for path in _compiled(folder)}


def _compiled(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("__pycache__/*.pyc") if path.is_file())


def _size(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
