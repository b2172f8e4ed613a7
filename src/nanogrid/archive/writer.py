"""Writes archives in the one canonical form: equal files give equal bytes."""

import io
import stat
import zipfile
from collections.abc import Iterable

#: The earliest time that the format can name; a real one would make equal contents differ.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


class CanonicalWriter:
    """Takes files in order of name. Modes are 0644 or 0755, the time is always the same, folders are implied."""

    def __init__(self) -> None:
        """Empty."""
        self._buffer = io.BytesIO()
        self._zip = zipfile.ZipFile(self._buffer, "w", allowZip64=False)

    def add(self, name: str, size: int, chunks: Iterable[bytes], *, executable: bool) -> None:
        """Append one file of `size` bytes."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = _UNIX
        info.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
        info.file_size = size
        with self._zip.open(info, "w") as file:
            for chunk in chunks:
                file.write(chunk)

    def finish(self) -> bytes:
        """The archive; nothing can be added any more."""
        self._zip.close()
        return self._buffer.getvalue()
