"""Reads code from disk and packs it: the same files always make the same zip."""

import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from nanogrid.errors import InvalidField

#: Never part of a function: histories, caches, environments, and secrets, which belong into `environment`.
IGNORED = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox",
        ".nox", ".idea", ".vscode", ".DS_Store", ".env",
    }
)  # fmt: skip
_IGNORED_SUFFIXES = (".pyc", ".pyo")
#: The earliest time that a zip can tell.
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Entry(Struct, frozen=True):
    """One file of a function's code."""

    content: bytes
    executable: bool = False


class Code(Struct, frozen=True):
    """A function's code before it is sent."""

    #: By path in the archive; empty for source text, whose file the grid names.
    files: dict[str, Entry]
    #: Where it came from on disk.
    origin: Path | None = None
    #: The archive, where it came as one.
    zip: bytes | None = None
    #: The text, where it came as text.
    source: str | None = None

    def fields(self) -> dict[str, Any]:
        """The field of a deployment that carries it."""
        if self.source is not None:
            return {"source": self.source}
        return {"zip": self.zip if self.zip is not None else pack(self.files)}


def read_file(path: Path) -> Entry:
    """One file. Raises `InvalidField` where it cannot be read."""
    try:
        return Entry(path.read_bytes(), executable=os.access(path, os.X_OK))
    except OSError as exc:
        raise InvalidField(f"{path} cannot be read: {exc.strerror}.", path="$.zip") from exc


def read_folder(root: Path) -> dict[str, Entry]:
    """All files below the folder by their path in it, without what `IGNORED` names.

    A link to a file of the folder is followed. Raises `InvalidField` for other links, and for what can't be read.
    """
    try:
        return {path.relative_to(root).as_posix(): read_file(path) for path in _files(root.resolve(), root)}
    except OSError as exc:
        raise InvalidField(f"{exc.filename} cannot be read: {exc.strerror}.", path="$.zip") from exc


def pack(files: Mapping[str, Entry]) -> bytes:
    """A zip of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = files[name]
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if entry.executable else 0o100644) << 16
            archive.writestr(info, entry.content)
    return buffer.getvalue()


def load(code: Path | str | bytes) -> Code:
    """The code behind a path, a source text or a zip's bytes. Raises `InvalidField` where it cannot be read."""
    if isinstance(code, bytes):
        return Code(files=_unzipped(code, "the archive"), zip=code)
    if isinstance(code, str):
        if "\n" not in code and os.path.exists(code):  # noqa: PTH110 - source may be too long for a Path
            raise InvalidField(f"{code!r} is source text that is also a file.", hint="Pass a pathlib.Path for a file.")
        return Code(files={}, source=code)
    if code.is_dir():
        return Code(files=read_folder(code), origin=code)
    entry = read_file(code)
    if code.suffix == ".zip":
        return Code(files=_unzipped(entry.content, str(code)), zip=entry.content, origin=code)
    return Code(files={_importable(code): entry}, origin=code)


def _importable(path: Path) -> str:
    """The file's name in the archive: its own, unless no runtime could import that."""
    main = {".py": "main.py", ".js": "index.js", ".mjs": "index.mjs", ".cjs": "index.cjs"}.get(path.suffix)
    return path.name if main is None or path.stem.isidentifier() else main


def _unzipped(content: bytes, where: str) -> dict[str, Entry]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {
                info.filename: Entry(archive.read(info), executable=bool(info.external_attr >> 16 & 0o111))
                for info in archive.infolist()
                if not info.is_dir()
            }
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as exc:
        raise InvalidField(f"{where} is no zip that can be read: {exc}.", path="$.zip") from exc


def _files(real_root: Path, folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if _ignored(path):
            continue
        if path.is_symlink():
            yield _inside(real_root, path)
        elif path.is_dir():
            yield from _files(real_root, path)
        elif path.is_file():
            yield path


def _ignored(path: Path) -> bool:
    name = path.name
    return (
        name in IGNORED
        or name.endswith(_IGNORED_SUFFIXES)
        or _useless_modules(path)
        # A virtual environment, whatever it is called.
        or (path / "pyvenv.cfg").is_file()
    )


def _useless_modules(path: Path) -> bool:
    """Node modules without a package.json beside them, or their links to commands: nothing imports either."""
    return (path.name == "node_modules" and not (path.parent / "package.json").exists()) or (
        path.name == ".bin" and path.parent.name == "node_modules"
    )


def _inside(real_root: Path, link: Path) -> Path:
    target = link.resolve()
    if target.is_file() and target.is_relative_to(real_root):
        return link
    raise InvalidField(
        f"{link} is a link to {target}, which is no file of this folder.",
        path="$.zip",
        hint="Copy what it links to, or remove it.",
    )
