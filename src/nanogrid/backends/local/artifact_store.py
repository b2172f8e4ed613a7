"""The files that runs left, in a folder: one below it for each run, in that a file per content.

No name that a function chose ever becomes a name here.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from nanogrid.backends.digests import digest_of, is_digest
from nanogrid.backends.local.faults import translated
from nanogrid.backends.local.whole_file import write_whole
from nanogrid.errors import ArtifactNotFound, CodeCorrupt
from nanogrid.identifiers import is_run_id
from nanogrid.ports import ArtifactStore

#: So many last characters of a run's id, which are chance, keep folders small.
_SHARD = 2


class LocalArtifactStore(ArtifactStore):
    """Folders below `folder`, made when they are needed."""

    def __init__(self, folder: Path) -> None:
        """The folder need not exist."""
        self._folder = folder
        self._forgetting: set[asyncio.Future[None]] = set()

    async def put(self, run_id: str, content: bytes) -> str:
        """See the port."""
        return await asyncio.to_thread(self._put, run_id, content)

    async def get(self, run_id: str, digest: str) -> bytes:
        """See the port."""
        return await asyncio.to_thread(self._get, run_id, digest)

    async def download_address(self, run_id: str, digest: str, disposition: str) -> str | None:
        """None: no address of this machine's disk is any use to a client."""
        if not await asyncio.to_thread(self._path(run_id, digest).exists):
            raise _not_found(run_id)
        return None

    async def forget(self, run_ids: list[str]) -> None:
        """See the port."""
        await asyncio.to_thread(self._forget, run_ids)

    def forget_soon(self, run_ids: list[str]) -> None:
        """Likewise, without waiting; what the disk refuses is left to the next start."""
        forgetting = asyncio.ensure_future(asyncio.to_thread(self._forget, run_ids))
        self._forgetting.add(forgetting)
        forgetting.add_done_callback(self._forgetting.discard)

    async def run_ids(self) -> list[str]:
        """Every run that something is kept of."""
        return await asyncio.to_thread(lambda: list(self._run_ids()))

    async def close(self) -> None:
        """See off what is being forgotten."""
        await asyncio.gather(*self._forgetting, return_exceptions=True)

    def _put(self, run_id: str, content: bytes) -> str:
        digest = digest_of(content)
        path = self._path(run_id, digest)
        with translated(f"storing a file of the run {run_id}"):
            write_whole(path, content)
        return digest

    def _get(self, run_id: str, digest: str) -> bytes:
        path = self._path(run_id, digest)
        with translated(f"reading a file of the run {run_id}"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                raise _not_found(run_id) from None
        if digest_of(content) != digest:
            raise CodeCorrupt(f"the bytes stored in {path} do not match their digest.", hint="Run the function again.")
        return content

    def _forget(self, run_ids: list[str]) -> None:
        for run_id in filter(is_run_id, run_ids):
            with translated(f"removing the files of the run {run_id}"), contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._of(run_id))

    def _run_ids(self) -> Iterator[str]:
        with translated(f"listing {self._folder}"):
            for shard in self._folder.iterdir() if self._folder.exists() else ():
                yield from (folder.name for folder in shard.iterdir() if is_run_id(folder.name))

    def _path(self, run_id: str, digest: str) -> Path:
        # Both become a path, so nothing else may pass.
        if not is_run_id(run_id) or not is_digest(digest):
            raise _not_found(run_id)
        return self._of(run_id) / digest

    def _of(self, run_id: str) -> Path:
        return self._folder / run_id[-_SHARD:] / run_id


def _not_found(run_id: str) -> ArtifactNotFound:
    return ArtifactNotFound(f"nothing is kept under that digest for the run {run_id[:80]!r}.")
