"""Takes the files of a run from its runtime, piece by piece: what comes is hostile."""

from typing import NamedTuple

from nanogrid import wire
from nanogrid.errors import SandboxBroken
from nanogrid.model import MAX_ARTIFACT_PATH_BYTES, Artifact, ArtifactLimits

#: Characters that show a path as another one, beside the control characters. The runtimes leave out what has any.
_MISLEADING = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NOT_SEGMENTS = frozenset({"", ".", ".."})


class File(NamedTuple):
    """A file that is there in full."""

    path: str
    content: bytes


class Intake:
    """The files of one run. Holds one of them at a time, and no more than the limits allow."""

    def __init__(self, run_id: str, nonce: str, limits: ArtifactLimits) -> None:
        """`nonce` is that of the run's order."""
        self.run_id = run_id
        self._nonce = nonce
        self._limits = limits
        self._paths: set[str] = set()
        #: The files as somebody has kept them.
        self.kept: list[Artifact] = []
        self._bytes = 0
        #: The file that is under way, and what has come of it.
        self._path: str | None = None
        self._content = bytearray()

    def take(self, payload: bytes | memoryview) -> File | None:
        """Add a piece; the file, where it was the last one. Raises `SandboxBroken` for whatever may not come."""
        head, piece = wire.decode_artifact(payload)
        if head.nonce != self._nonce:
            raise SandboxBroken("it sent a file with a nonce that is not this run's")
        if head.path != self._path:
            self._begin(head.path)
        self._content += piece
        self._bytes += len(piece)
        if len(self._content) > self._limits.file_bytes or self._bytes > self._limits.total_bytes:
            raise SandboxBroken("it sent more of its files than it may")
        if not head.last:
            return None
        file = File(head.path, bytes(self._content))
        self._path, self._content = None, bytearray()
        return file

    def _begin(self, path: str) -> None:
        if self._path is not None:
            raise SandboxBroken("it began with another file before one was complete")
        if not is_artifact_path(path) or path in self._paths:
            raise SandboxBroken(f"it sent a file as {path[:100]!a}")
        self._paths.add(path)
        if len(self._paths) > self._limits.count:
            raise SandboxBroken("it sent more files than it may")
        self._path = path


def is_artifact_path(path: str) -> bool:
    """Whether a file may be kept under that path."""
    if len(path.encode("utf-8", "surrogatepass")) > MAX_ARTIFACT_PATH_BYTES:
        return False
    if not _NOT_SEGMENTS.isdisjoint(path.split("/")):
        return False
    return not any(c < " " or "\x7f" <= c <= "\x9f" or c in _MISLEADING or "\ud800" <= c <= "\udfff" for c in path)
