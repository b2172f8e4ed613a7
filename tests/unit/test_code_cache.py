"""The code cache: one fetch per content, complete trees only, and no more disk than allowed."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clocks import ManualClock
from nanogrid.archive import from_files
from nanogrid.errors import CodeCorrupt, CodeNotFound, StoreUnavailable
from nanogrid.ports import CodeStore
from nanogrid.sandbox.code_cache import CodeCache
from waiting import until


class Shelf(CodeStore):
    """A code store in memory that counts its readers, and lets them wait at a gate."""

    def __init__(self) -> None:
        self.archives: dict[str, bytes] = {}
        self.reads: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()

    def keep(self, text: str) -> str:
        archive = from_files({"main.py": text.encode()})
        self.archives[archive.sha256] = archive.content
        return archive.sha256

    async def get(self, digest: str) -> bytes:
        self.reads[digest] += 1
        await self.gate.wait()
        if digest not in self.archives:
            raise CodeNotFound(f"nothing is stored under {digest}.")
        return self.archives[digest]

    async def put(self, content: bytes) -> str:
        raise NotImplementedError

    async def delete(self, digest: str) -> None:
        raise NotImplementedError


class Opened:
    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.store, self.clock, self.folder = Shelf(), ManualClock(), folder
        self.cache = CodeCache(self.store, folder, self.clock, limit_bytes=limit_bytes, keep_s=60)

    def trees(self) -> int:
        return sum(1 for _ in self.folder.iterdir())


@contextlib.asynccontextmanager
async def opened(folder: Path, *, limit_bytes: int = 10**9) -> AsyncIterator[Opened]:
    opened = Opened(folder / "code", limit_bytes)
    await opened.cache.start()
    yield opened
    await opened.cache.close()


async def test_code_is_unpacked_where_the_path_says(tmp_path: Path):
    async with opened(tmp_path) as box:
        path = await box.cache.path(box.store.keep("x = 1"))

        assert (path / "main.py").read_text() == "x = 1"


async def test_what_was_fetched_once_is_not_fetched_again(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        first = await box.cache.path(digest)
        again = await box.cache.path(digest)

        assert first == again
        assert box.store.reads == {digest: 1}


async def test_what_is_expected_is_there_before_anybody_asks(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        box.cache.expect(digest)
        await until(lambda: box.trees() == 1)
        path = await box.cache.path(digest)
        box.cache.expect(digest)

        assert (path / "main.py").read_text() == "x = 1"
        assert box.store.reads == {digest: 1}


async def test_what_was_expected_in_vain_fails_only_for_who_asks(tmp_path: Path):
    async with opened(tmp_path) as box:
        box.cache.expect("0" * 64)
        await until(lambda: box.store.reads == {"0" * 64: 1})
        with pytest.raises(CodeNotFound):
            await box.cache.path("0" * 64)


async def test_racing_callers_share_one_fetch(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        paths = await asyncio.gather(*(box.cache.path(digest) for _ in range(50)))

        assert len(set(paths)) == 1
        assert box.store.reads == {digest: 1}


async def test_a_cancelled_caller_takes_nothing_from_the_others(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        box.store.gate.clear()
        first, second = (asyncio.create_task(box.cache.path(digest)) for _ in range(2))
        await until(lambda: box.store.reads[digest] == 1)
        first.cancel()
        box.store.gate.set()
        path = await second

        assert path.is_dir()
        assert first.cancelled()


async def test_a_failed_fetch_is_tried_again_by_the_next_caller(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        content = box.store.archives.pop(digest)
        with pytest.raises(CodeNotFound):
            await box.cache.path(digest)
        box.store.archives[digest] = content
        path = await box.cache.path(digest)

        assert path.is_dir()


async def test_bytes_that_are_no_archive_are_corrupt(tmp_path: Path):
    async with opened(tmp_path) as box:
        box.store.archives["d" * 64] = b"not a zip"

        with pytest.raises(CodeCorrupt, match="no archive"):
            await box.cache.path("d" * 64)
        assert box.trees() == 0


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        box.folder.rmdir()

        with pytest.raises(StoreUnavailable, match=str(box.folder)):
            await box.cache.path(digest)


async def test_over_the_limit_the_least_recently_used_goes(tmp_path: Path):
    async with opened(tmp_path, limit_bytes=250) as box:
        old, used, new = (box.store.keep(letter * 100) for letter in "abc")
        for digest in (old, used):
            await box.cache.path(digest)
        await box.clock.advance(30)
        await box.cache.path(used)
        await box.clock.advance(45)
        await box.cache.path(new)
        await until(lambda: box.trees() == 2)
        for digest in (used, new, old):
            await box.cache.path(digest)

        assert box.store.reads == {old: 2, used: 1, new: 1}


async def test_what_was_just_asked_for_stays_whatever_the_limit(tmp_path: Path):
    async with opened(tmp_path, limit_bytes=250) as box:
        paths = [await box.cache.path(box.store.keep(letter * 100)) for letter in "abcd"]

        assert all((path / "main.py").exists() for path in paths)


async def test_a_start_removes_what_an_earlier_life_left(tmp_path: Path):
    async with opened(tmp_path) as box:
        digest = box.store.keep("x = 1")
        await box.cache.path(digest)
    (tmp_path / "code" / "stray").write_text("left over")

    async with opened(tmp_path) as box:
        assert box.trees() == 0
