"""The code store as a folder: a file per content, named by its digest."""

import asyncio
from pathlib import Path

from nanogrid.backends.digests import digest_of, is_digest
from nanogrid.backends.local.faults import translated
from nanogrid.backends.local.whole_file import write_whole
from nanogrid.errors import CodeCorrupt, CodeNotFound
from nanogrid.ports import CodeStore


class LocalCodeStore(CodeStore):
    """Files below `folder`, two levels of folders deep."""

    def __init__(self, folder: Path) -> None:
        """Folders are made when they are needed."""
        self._folder = folder

    async def put(self, content: bytes) -> str:
        """See the port. On disk, name and all, when this returns."""
        return await asyncio.to_thread(self._put, content)

    async def get(self, digest: str) -> bytes:
        """See the port."""
        return await asyncio.to_thread(self._get, digest)

    async def delete(self, digest: str) -> None:
        """See the port."""
        await asyncio.to_thread(self._delete, digest)

    def _put(self, content: bytes) -> str:
        digest = digest_of(content)
        path = self._path(digest)
        with translated(f"storing code as {path}"):
            # What is there is written again where it has rotted: put heals.
            if not path.exists() or digest_of(path.read_bytes()) != digest:
                write_whole(path, content)
        return digest

    def _get(self, digest: str) -> bytes:
        path = self._path(digest)
        content = _read(path)
        if content is None:
            raise _not_found(digest)
        if digest_of(content) != digest:
            raise CodeCorrupt(
                f"the bytes stored for {digest} in {path.parent} do not match it.", hint="Deploy the code again."
            )
        return content

    def _delete(self, digest: str) -> None:
        if not is_digest(digest):
            return
        path = self._path(digest)
        with translated(f"deleting code from {path}"):
            path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        # A digest becomes a path, so nothing else may pass.
        if not is_digest(digest):
            raise _not_found(digest)
        return self._folder / digest[:2] / digest[2:4] / digest


def _not_found(digest: str) -> CodeNotFound:
    return CodeNotFound(f"the code store has nothing under {digest[:80]!r}.")


def _read(path: Path) -> bytes | None:
    with translated(f"reading code from {path}"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
