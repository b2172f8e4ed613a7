"""Files of runs on one machine go with their runs."""

import pytest

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.errors import ArtifactNotFound, CodeCorrupt
from nanogrid.identifiers import new_run_id
from records import SUCCEEDED, some_run
from waiting import until


async def ended(backend):
    """A run that left a file; the file's digest."""
    run = await backend.run_store.accept(some_run(), durable=True)
    await backend.run_store.start(run.run_id, 1)
    digest = await backend.artifact_store.put(run.run_id, b"report")
    await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
    return run.run_id, digest


async def test_what_a_run_left_goes_when_the_run_is_pruned(tmp_path):
    async with open_local(tmp_path, ManualClock(), history_limit=1) as backend:
        pruned, _ = await ended(backend)
        kept, digest = await ended(backend)
        folder = tmp_path / "artifacts"
        await until(lambda: not list(folder.rglob(pruned)))

        assert await backend.artifact_store.get(kept, digest) == b"report"


async def test_files_of_runs_that_nobody_knows_are_swept_at_the_start(tmp_path):
    unknown = new_run_id()
    async with open_local(tmp_path, ManualClock()) as backend:
        digest = await backend.artifact_store.put(unknown, b"orphan")
        known, kept = await ended(backend)
    async with open_local(tmp_path, ManualClock()) as backend:
        assert await backend.artifact_store.get(known, kept) == b"report"
        with pytest.raises(ArtifactNotFound):
            await backend.artifact_store.get(unknown, digest)


async def test_bytes_that_have_rotted_are_not_handed_out(tmp_path):
    async with open_local(tmp_path, ManualClock()) as backend:
        run_id, digest = await ended(backend)
        (path,) = (tmp_path / "artifacts").rglob(digest)
        path.write_bytes(b"!")
        with pytest.raises(CodeCorrupt):
            await backend.artifact_store.get(run_id, digest)


async def test_a_folder_of_somebody_elses_making_is_left_alone(tmp_path):
    (tmp_path / "artifacts" / "xx" / "mine").mkdir(parents=True)
    async with open_local(tmp_path, ManualClock()) as backend:
        await backend.artifact_store.forget(["../../etc"])

    assert (tmp_path / "artifacts" / "xx" / "mine").is_dir()
