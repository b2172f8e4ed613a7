"""The promises of `CodeStore`."""

import asyncio

import pytest

from nanogrid.errors import CodeCorrupt, CodeNotFound
from records import digest_of


async def test_what_was_put_is_found_under_its_digest(bench):
    async with bench.open() as backend:
        digest = await backend.code_store.put(b"code")
        content = await backend.code_store.get(digest)

    assert digest == digest_of(b"code")
    assert content == b"code"


async def test_put_is_idempotent(bench):
    async with bench.open() as backend:
        first = await backend.code_store.put(b"code")
        second = await backend.code_store.put(b"code")
        content = await backend.code_store.get(first)

    assert (first, content) == (second, b"code")


async def test_racing_puts_of_one_content_agree(bench):
    async with bench.open() as backend:
        digests = await asyncio.gather(*(backend.code_store.put(b"x" * 100_000) for _ in range(10)))
        content = await backend.code_store.get(digests[0])

    assert set(digests) == {digest_of(content)}


@pytest.mark.parametrize("digest", [digest_of(b"never put"), "", "../../etc/passwd", "A" * 64])
async def test_an_absent_digest_raises(bench, digest):
    async with bench.open() as backend:
        with pytest.raises(CodeNotFound):
            await backend.code_store.get(digest)


async def test_code_survives_a_crash(bench):
    async with bench.open() as backend:
        digest = await backend.code_store.put(b"code")
        after = bench.crashed()
    async with after.open() as backend:
        content = await backend.code_store.get(digest)

    assert content == b"code"


async def test_damaged_bytes_are_never_handed_out(bench):
    async with bench.open() as backend:
        digest = await backend.code_store.put(b"code")
        await bench.damage(digest)

        with pytest.raises(CodeCorrupt):
            await backend.code_store.get(digest)


async def test_putting_damaged_bytes_again_heals_them(bench):
    async with bench.open() as backend:
        digest = await backend.code_store.put(b"code")
        await bench.damage(digest)
        await backend.code_store.put(b"code")
        content = await backend.code_store.get(digest)

    assert content == b"code"


async def test_deleted_bytes_are_gone(bench):
    async with bench.open() as backend:
        digest = await backend.code_store.put(b"code")
        await backend.code_store.delete(digest)

        with pytest.raises(CodeNotFound):
            await backend.code_store.get(digest)


@pytest.mark.parametrize("digest", [digest_of(b"never put"), "not a digest"])
async def test_deleting_an_absent_digest_is_no_error(bench, digest):
    async with bench.open() as backend:
        await backend.code_store.delete(digest)
        await backend.code_store.delete(digest)
