"""Archives that are sent ahead on one machine do not fill its disk."""

import hashlib

import pytest

from clocks import ManualClock
from nanogrid.backends.local.uploads import LocalUploads
from nanogrid.errors import UploadNotFound

DAY_S = 86_400


async def found(uploads: LocalUploads, contents: list[bytes]) -> list[bytes]:
    kept = []
    for content in contents:
        try:
            kept.append(await uploads.get(hashlib.sha256(content).hexdigest(), tenant="acme"))
        except UploadNotFound:
            continue
    return kept


async def test_of_many_the_latest_are_kept(tmp_path):
    clock = ManualClock()
    uploads = LocalUploads(tmp_path, clock)
    contents = [b"%d" % number for number in range(20)]
    for content in contents:
        await uploads.keep(content, tenant="acme")
        await clock.advance(1)

    assert await found(uploads, contents) == contents[-8:]


async def test_one_that_nobody_named_for_a_day_makes_room(tmp_path):
    clock = ManualClock()
    uploads = LocalUploads(tmp_path, clock)
    await uploads.keep(b"old", tenant="acme")
    await clock.advance(DAY_S + 1)
    await uploads.keep(b"new", tenant="acme")

    assert await found(uploads, [b"old", b"new"]) == [b"new"]


async def test_one_that_rotted_on_the_disk_is_not_handed_out(tmp_path):
    uploads = LocalUploads(tmp_path, ManualClock())
    await uploads.keep(b"whole", tenant="acme")
    digest = hashlib.sha256(b"whole").hexdigest()
    (tmp_path / "acme" / digest).write_bytes(b"wrong")

    with pytest.raises(UploadNotFound):
        await uploads.get(digest, tenant="acme")
