"""A grid's whole state in one file: the database as it is at one moment, every code archive, the keys.

A backup is a tar of plain files, the last of them `manifest.json` with the digest of each; so one that was cut off is
known by its missing manifest. It holds the grid's keys: it is written readable by its owner only.
"""

import asyncio
import hashlib
import io
import os
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from nanogrid.backends.local.faults import translated
from nanogrid.backends.local.vault import merged_keys
from nanogrid.errors import ConfigError
from nanogrid.model import Record

_MANIFEST = "manifest.json"
_DATABASE = "nanogrid.db"
_VAULT_KEY = "vault.key"
#: What lies in a data folder and is no state: made anew at each start, or of this machine only.
_PASSING = ("lock", "address", "address.new", "vault.new", "workspace", "workspace-folder")
_CHUNK = 1024 * 1024
#: How often a backup begins again because a function was deleted while its code was to be copied.
_TRIES = 5


class Entry(Record, frozen=True, kw_only=True):
    """One file of a backup."""

    sha256: str
    #: In bytes.
    size: int


class Manifest(Record, frozen=True, kw_only=True):
    """What a backup holds."""

    made_at: datetime
    #: Path within the data folder -> what lies there.
    files: dict[str, Entry]

    @property
    def size(self) -> int:
        """Of all files together, in bytes."""
        return sum(entry.size for entry in self.files.values())


async def back_up(data: Path, target: Path) -> Manifest:
    """Write the state of the grid with that data folder into the new file `target`, while the grid runs or not.

    The grid goes on meanwhile: what it commits after this began is not in the backup. Raises `ConfigError` where there
    is no grid or the file exists; `StoreUnavailable` where the disk refuses. Whole or not at all.
    """
    return await asyncio.to_thread(_back_up, data, target)


async def restore(backup: Path, data: Path) -> Manifest:
    """Make `data`, which must be empty or missing, the data folder that the backup was made of.

    Every digest is checked before anything lies there. Raises `ConfigError` where the backup is damaged or the folder
    is in use; `StoreUnavailable` where the disk refuses. Whole or not at all.
    """
    return await asyncio.to_thread(_restore, backup, data)


# Backup


def _back_up(data: Path, target: Path) -> Manifest:
    if not (data / _DATABASE).is_file():
        raise ConfigError(f"there is no grid in {data}.", hint="Name its data folder with --data.")
    with translated(f"writing the backup {target}"), _new_file(target) as file:
        for _ in range(_TRIES):
            file.seek(0)
            file.truncate()
            manifest = _write(data, file, scratch=target.with_name(f".{secrets.token_hex(8)}.db"))
            if manifest is not None:
                return manifest
    raise ConfigError(
        f"the functions of {data} change too fast to be backed up.", hint="Try again in a quieter moment."
    )


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file beside the target that takes its place when all went well. Raises `ConfigError` where it is taken."""
    if target.exists():
        raise ConfigError(f"{target} exists already.", hint="Choose another name: a backup never replaces one.")
    beside = target.with_name(f".{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, refuses where somebody has made the file meanwhile.
        os.link(beside, target)
    except FileExistsError as exc:
        raise ConfigError(f"{target} exists already.", hint="Choose another name.") from exc
    finally:
        beside.unlink(missing_ok=True)


def _write(data: Path, file: IO[bytes], *, scratch: Path) -> Manifest | None:
    """Write all files, the manifest last; None where code went away that the copied database needs."""
    try:
        # The vault's key is taken before the database and after: one of the two opens each secret in it.
        key_before = _content(data / _VAULT_KEY)
        # The database first: code is stored before it is deployed, and removed after.
        needed = _copy_database(data / _DATABASE, scratch)
        keys = merged_keys(_content(data / _VAULT_KEY), key_before)
        sources = {_DATABASE: scratch} | dict(_state_files(data))
        sources.pop(_VAULT_KEY, None)
        with tarfile.open(fileobj=file, mode="w") as archive:
            files = {name: entry for name, path in sources.items() if (entry := _add(archive, name, path)) is not None}
            if keys:
                files[_VAULT_KEY] = _add_bytes(archive, _VAULT_KEY, keys)
            if not needed <= {PurePosixPath(name).name for name in files}:
                return None
            manifest = Manifest(made_at=datetime.now(UTC), files=files)
            _add_bytes(archive, _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        return manifest
    finally:
        scratch.unlink(missing_ok=True)


def _copy_database(source: Path, target: Path) -> set[str]:
    """Copy the database as it is at this moment; the digests of the code that its functions have."""
    # Read-only, so that this process never checkpoints the log of a grid that runs.
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live:
        target.touch(mode=0o600)
        with closing(sqlite3.connect(target)) as copy:
            # In one step: between steps the grid's next commit would make it begin again.
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            return {digest for (digest,) in copy.execute("SELECT DISTINCT code_sha256 FROM versions")}


def _state_files(data: Path) -> Iterator[tuple[str, Path]]:
    """Every file that is state, besides the database, by its path within the folder."""
    for top in sorted(data.iterdir()):
        if top.name in _PASSING or top.name.startswith((_DATABASE, ".")):
            continue
        for path in sorted([top, *top.rglob("*")]):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path.relative_to(data).as_posix(), path


def _add(archive: tarfile.TarFile, name: str, path: Path) -> Entry | None:
    """Add the file; None where it is gone by now."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        member = tarfile.TarInfo(name)
        member.size, member.mode = os.fstat(file.fileno()).st_size, 0o600
        reader = _Hashing(file)
        archive.addfile(member, reader)
        return Entry(sha256=reader.digest.hexdigest(), size=member.size)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> Entry:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))
    return Entry(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def _content(path: Path) -> bytes:
    """What is in the file; nothing where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


# Restore


def _restore(backup: Path, data: Path) -> Manifest:
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConfigError(f"{data} is not empty.", hint="Restore into a new folder: nothing is ever overwritten.")
    staging = data.with_name(f".{data.name}.{secrets.token_hex(8)}")
    with translated(f"restoring {backup} into {data}"):
        try:
            staging.mkdir(mode=0o700, parents=True)
            manifest = _unpack(backup, staging)
            _check_database(backup, staging / _DATABASE)
            staging.replace(data)  # takes the place of an empty folder, and of nothing else
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _unpack(backup: Path, folder: Path) -> Manifest:
    """Unpack every file and compare it with the manifest. Raises `ConfigError` where it is not as it was written."""
    found: dict[str, Entry] = {}
    manifest = b""
    try:
        with tarfile.open(backup, mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or not _is_plain(member.name) or member.name in found:
                    raise _damaged(backup, f"{member.name[:80]!r} is nothing that a backup holds")
                if member.name == _MANIFEST:
                    manifest = content.read()
                else:
                    found[member.name] = _write_out(content, folder / member.name)
        listed = msgspec.json.decode(manifest, type=Manifest)
    except (tarfile.TarError, msgspec.DecodeError, EOFError) as exc:
        raise _damaged(backup, str(exc)) from exc
    if listed.files != found:
        wrong = sorted(name for name in listed.files.keys() | found.keys() if listed.files.get(name) != found.get(name))
        raise _damaged(backup, f"{wrong[0]!r} is not as it was written")
    return listed


def _is_plain(name: str) -> bool:
    """Whether the name stays within the folder: a backup may come from anywhere."""
    parts = PurePosixPath(name).parts
    return bool(parts) and name == "/".join(parts) and not {"..", "/"} & set(parts) and "\0" not in name


def _write_out(content: IO[bytes], path: Path) -> Entry:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    reader = _Hashing(content)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := reader.read(_CHUNK):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        return Entry(sha256=reader.digest.hexdigest(), size=file.tell())


def _check_database(backup: Path, database: Path) -> None:
    if not database.is_file():
        raise _damaged(backup, "it has no database")
    with closing(sqlite3.connect(database)) as connection:
        try:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as exc:
            said = str(exc)
    if said != "ok":
        raise _damaged(backup, f"its database is broken: {said}")


def _damaged(backup: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{backup} is no whole backup of a grid: {reason}.", hint="Nothing was restored; use another one."
    )


class _Hashing:
    """Reads a file and its digest at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        piece = self._file.read(count)
        self.digest.update(piece)
        return piece
