"""The promises of `ArtifactStore`."""

import asyncio
import urllib.request

import pytest

from nanogrid.errors import ArtifactNotFound
from records import digest_of, some_run

RUN, OTHER = "run_" + "0" * 26, "run_" + "1" * 26
SAVED = "attachment; filename*=UTF-8''report%20%C3%A9.csv"


async def test_what_was_put_is_found_with_its_run_and_digest(bench):
    async with bench.open() as backend:
        digest = await backend.artifact_store.put(RUN, b"report")
        again = await backend.artifact_store.put(RUN, b"report")
        nothing = await backend.artifact_store.put(RUN, b"")
        found = [await backend.artifact_store.get(RUN, one) for one in (digest, nothing)]

    assert digest == again == digest_of(b"report")
    assert found == [b"report", b""]


async def test_files_of_a_run_that_is_known_survive_a_crash(bench):
    run = some_run()
    async with bench.open() as backend:
        await backend.run_store.accept(run, durable=True)
        digest = await backend.artifact_store.put(run.run_id, b"report")
        after = bench.crashed()
    async with after.open() as backend:
        assert await backend.artifact_store.get(run.run_id, digest) == b"report"


@pytest.mark.parametrize(
    ("run_id", "digest"),
    [(OTHER, digest_of(b"report")), (RUN, digest_of(b"other")), ("../code", digest_of(b"report")), (RUN, "../x")],
    ids=["another run", "another content", "no run", "no digest"],
)
async def test_what_is_not_there_is_not_found(bench, run_id, digest):
    async with bench.open() as backend:
        await backend.artifact_store.put(RUN, b"report")
        with pytest.raises(ArtifactNotFound):
            await backend.artifact_store.get(run_id, digest)
        with pytest.raises(ArtifactNotFound):
            await backend.artifact_store.download_address(run_id, digest, SAVED)


async def test_an_address_leads_to_the_bytes_as_a_download(bench):
    async with bench.open() as backend:
        digest = await backend.artifact_store.put(RUN, b"<script>")
        address = await backend.artifact_store.download_address(RUN, digest, SAVED)
        answer = await asyncio.to_thread(_fetch, address) if address else None

    assert answer is None or answer == (b"<script>", SAVED, "application/octet-stream")


def _fetch(address):
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - an address of ours
        return answer.read(), answer.headers["content-disposition"], answer.headers["content-type"]


async def test_forgetting_is_idempotent(bench):
    async with bench.open() as backend:
        await backend.artifact_store.put(RUN, b"report")
        await backend.artifact_store.forget([RUN, OTHER])
        await backend.artifact_store.forget([RUN, OTHER])
