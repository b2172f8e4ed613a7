"""Unpacked code by content: fetched once, shared by all sandboxes of this machine, removed when it is long unused."""

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from nanogrid.archive import unpack
from nanogrid.clock import Clock
from nanogrid.errors import ArchiveRefused, CodeCorrupt, StoreUnavailable, TooLarge
from nanogrid.ports import CodeStore

#: How long a tree stays after somebody asked for it, whatever the limit says, in seconds. Long enough for a driver to
#: link or copy it into a sandbox; from then on the sandbox does not need it.
KEEP_S = 60.0


@dataclass(slots=True)
class _Tree:
    path: Path
    size: int
    used_at: float


class CodeCache:
    """A folder of unpacked archives, each complete or absent; the folder belongs to this cache alone.

    Over the limit, the least recently used trees go, but none that was asked for within the last `keep_s` seconds: for
    so long the path that was given out is good. A burst of new functions may exceed the limit for that time.
    """

    def __init__(
        self, code_store: CodeStore, folder: Path, clock: Clock, *, limit_bytes: int, keep_s: float = KEEP_S
    ) -> None:
        """`limit_bytes` is what all trees together may occupy, as sizes of files."""
        self._code_store = code_store
        self._folder = folder
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._keep_s = keep_s
        # In order of last use, oldest first.
        self._trees: dict[str, _Tree] = {}
        self._size = 0
        self._fetches: dict[str, asyncio.Task[Path]] = {}
        self._removals: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the folder, and empty it: a power cut may have left names without content, and the store has it all."""
        await asyncio.to_thread(_empty, self._folder)

    async def close(self) -> None:
        """Return when nothing of it is under way any more."""
        await asyncio.gather(*self._fetches.values(), *self._removals, return_exceptions=True)

    async def path(self, sha256: str) -> Path:
        """The folder with the unpacked code. Racing callers share one fetch; cancelling one of them does not end it.

        Raises `CodeNotFound`, `CodeCorrupt`, `StoreUnavailable`.
        """
        tree = self._trees.pop(sha256, None)
        if tree is None:
            return await asyncio.shield(self._fetch(sha256))
        tree.used_at = self._clock.monotonic()
        self._trees[sha256] = tree
        return tree.path

    def expect(self, sha256: str) -> None:
        """Unpack this code in the background: somebody may soon ask for it, and hears then where it failed."""
        if sha256 not in self._trees:
            self._fetch(sha256)

    def _fetch(self, sha256: str) -> asyncio.Task[Path]:
        fetch = self._fetches.get(sha256)
        if fetch is None:
            fetch = self._fetches[sha256] = asyncio.create_task(self._add(sha256))
            fetch.add_done_callback(lambda done: self._fetched(sha256, done))
        return fetch

    def _fetched(self, sha256: str, fetch: asyncio.Task[Path]) -> None:
        del self._fetches[sha256]
        # Looked at here, because all who waited for it may have been cancelled.
        if not fetch.cancelled():
            fetch.exception()

    async def _add(self, sha256: str) -> Path:
        content = await self._code_store.get(sha256)
        # Each tree has a path of its own: one that is still being removed is never in the way of its successor.
        path = self._folder / f"{sha256}.{secrets.token_hex(4)}"
        size = await asyncio.to_thread(_unpack, sha256, content, path)
        self._trees[sha256] = _Tree(path, size, self._clock.monotonic())
        self._size += size
        self._remove(self._superfluous())
        return path

    def _superfluous(self) -> list[_Tree]:
        """Forget what is too much, and return it."""
        idle_since = self._clock.monotonic() - self._keep_s
        going = []
        for sha256, tree in list(self._trees.items()):
            if self._size <= self._limit_bytes or tree.used_at > idle_since:
                break
            going.append(self._trees.pop(sha256))
            self._size -= tree.size
        return going

    def _remove(self, trees: list[_Tree]) -> None:
        """In the background: nobody waits for room on the disk."""
        for tree in trees:
            removal = asyncio.create_task(asyncio.to_thread(shutil.rmtree, tree.path, ignore_errors=True))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)


def _unpack(sha256: str, content: bytes, path: Path) -> int:
    """Unpack, and return the size of all files."""
    try:
        unpack(content, path)
    except (ArchiveRefused, TooLarge) as exc:
        raise CodeCorrupt(f"the code {sha256} in the store is no archive of ours: {exc}") from exc
    except OSError as exc:
        raise StoreUnavailable(
            f"the code {sha256} cannot be unpacked into {path.parent}: {exc.strerror}.", hint="Is the disk full?"
        ) from exc
    return sum(file.stat().st_size for file in path.rglob("*"))


def _empty(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()
