"""Archives that are sent ahead, as files: through the gateway, which takes them whole."""

import asyncio
import os
import secrets
from pathlib import Path

from nanogrid.backends.digests import digest_of, is_digest
from nanogrid.backends.local.faults import translated
from nanogrid.clock import Clock
from nanogrid.errors import UploadNotFound
from nanogrid.model import UploadPlace
from nanogrid.ports import Uploads

_KEPT_S = 86_400
#: Archives of one tenant that are kept at once; the oldest makes room.
_MOST = 8


class LocalUploads(Uploads):
    """Files below `folder`, one folder for each tenant."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Folders are made when they are needed."""
        self._folder = folder
        self._clock = clock

    async def place(self, digest: str, size: int, *, tenant: str) -> UploadPlace | None:
        """Nowhere but here."""
        return None

    async def keep(self, content: bytes, *, tenant: str) -> None:
        """See the port. Not forced to the disk: what a power cut takes is sent again."""
        await asyncio.to_thread(self._keep, content, self._folder / tenant)

    async def get(self, digest: str, *, tenant: str) -> bytes:
        """See the port."""
        return await asyncio.to_thread(self._get, digest, self._folder / tenant)

    def _keep(self, content: bytes, folder: Path) -> None:
        path = folder / digest_of(content)
        beside, now = folder / f".{secrets.token_hex(8)}", self._clock.now().timestamp()
        with translated(f"keeping an upload as {path}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(folder, now)
            try:
                beside.write_bytes(content)
                os.utime(beside, (now, now))
                beside.rename(path)
            finally:
                beside.unlink(missing_ok=True)

    def _get(self, digest: str, folder: Path) -> bytes:
        # A digest becomes a path, so nothing else may pass.
        if not is_digest(digest):
            raise _not_found(digest)
        with translated(f"reading an upload from {folder}"):
            try:
                content = (folder / digest).read_bytes()
            except FileNotFoundError:
                raise _not_found(digest) from None
        if digest_of(content) != digest:
            raise _not_found(digest)
        return content

    def _make_room(self, folder: Path, now: float) -> None:
        """Remove what is too old, and the oldest where there would be too many."""
        ages = sorted((now - path.stat().st_mtime, path) for path in folder.iterdir())
        for place, (age, path) in enumerate(ages, start=1):
            if age > _KEPT_S or place >= _MOST:
                path.unlink(missing_ok=True)


def _not_found(digest: str) -> UploadNotFound:
    return UploadNotFound(
        f"no archive with the sha-256 {digest[:80]!r} was uploaded.",
        path="$.upload",
        hint="Send it, then deploy again.",
    )
