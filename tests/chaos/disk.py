"""A disk so small that it can be filled, and the ballast that fills it."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = "64m"
_PIECE = bytes(1024 * 1024)


class Ballast:
    """Needs root, because it is mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "ballast"

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path) -> Iterator["Ballast"]:
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)], check=True)  # noqa: S607
        try:
            folder.chmod(0o755)
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607

    def fill(self) -> None:
        """Until not one more byte goes in."""
        with self._file.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            piece = _PIECE
            while piece:
                try:
                    file.write(piece)
                except OSError:
                    piece = piece[: len(piece) // 2]

    def empty(self) -> None:
        self._file.unlink()
