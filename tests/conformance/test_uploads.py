"""What the port for archives that are sent ahead promises."""

import hashlib

import pytest

from nanogrid.errors import UploadNotFound

LARGE = b"large" * 100


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def send(bench, backend, content: bytes, *, asked: bytes = LARGE, tenant: str = "acme") -> None:
    place = await backend.uploads.place(digest_of(asked), len(asked), tenant=tenant)
    await bench.upload(backend, place, content, tenant=tenant)


async def test_what_was_sent_is_found_by_its_digest_as_often_as_one_likes(bench):
    async with bench.open() as backend:
        await send(bench, backend, LARGE)
        await send(bench, backend, LARGE)
        contents = [await backend.uploads.get(digest_of(LARGE), tenant="acme") for _ in range(2)]

    assert contents == [LARGE, LARGE]


async def test_what_came_through_the_grid_is_found_as_well(bench):
    async with bench.open() as backend:
        await backend.uploads.keep(LARGE, tenant="acme")
        content = await backend.uploads.get(digest_of(LARGE), tenant="acme")

    assert content == LARGE


@pytest.mark.parametrize("other", [b"other" * 100, b"shorter", LARGE + b"longer", b""])
async def test_other_bytes_than_were_announced_are_never_found(bench, other):
    async with bench.open() as backend:
        await send(bench, backend, other)

        with pytest.raises(UploadNotFound):
            await backend.uploads.get(digest_of(LARGE), tenant="acme")


async def test_another_tenant_finds_nothing(bench):
    async with bench.open() as backend:
        await send(bench, backend, LARGE)

        with pytest.raises(UploadNotFound):
            await backend.uploads.get(digest_of(LARGE), tenant="other")


@pytest.mark.parametrize("digest", ["", "../acme", "A" * 64, digest_of(b"never sent")])
async def test_what_was_never_sent_is_not_found(bench, digest):
    async with bench.open() as backend:
        await send(bench, backend, LARGE)

        with pytest.raises(UploadNotFound):
            await backend.uploads.get(digest, tenant="acme")


async def test_what_was_sent_is_no_functions_code(bench):
    async with bench.open() as backend:
        code = await backend.code_store.put(LARGE)
        await send(bench, backend, b"other" * 100)
        content = await backend.code_store.get(code)

    assert content == LARGE
