"""Keeps a data folder to one grid."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nanogrid.errors import ConfigError


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make the folder and hold it. Raises `ConfigError` where it cannot be used, or another process has it.

    The lock ends with the process, however that ends.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise ConfigError(
            f"the data folder {folder} cannot be used: {exc.strerror}.", hint="Choose another with --data."
        ) from exc
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        raise ConfigError(
            f"the data folder {folder} is in use by the process {holder}.",
            hint="Stop that grid, or choose another folder with --data.",
        ) from exc
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
