"""The files that runs left, on S3: an object for each, below one prefix for each run."""

import asyncio

from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.aws.tables import ARTIFACT_PREFIX
from nanogrid.backends.digests import digest_of, is_digest
from nanogrid.errors import ArtifactNotFound, CodeCorrupt
from nanogrid.identifiers import is_run_id
from nanogrid.ports import ArtifactStore

#: How long an address may be used, in seconds.
_ADDRESS_VALID_S = 300


class AwsArtifactStore(ArtifactStore):
    """Objects under `artifacts/`. They expire with the bucket's lifecycle, some time after their runs."""

    def __init__(self, bucket: Bucket) -> None:
        """The bucket that the stack made."""
        self._bucket = bucket

    async def put(self, run_id: str, content: bytes) -> str:
        """See the port."""
        digest = await asyncio.to_thread(digest_of, content)
        await self._bucket.put(_key(run_id, digest), content)
        return digest

    async def get(self, run_id: str, digest: str) -> bytes:
        """See the port."""
        content = await self._bucket.get(_key(run_id, digest))
        if content is None:
            raise _not_found(run_id)
        if await asyncio.to_thread(digest_of, content) != digest:
            raise CodeCorrupt(f"the bytes stored for {digest} do not match it.", hint="Run the function again.")
        return content

    async def download_address(self, run_id: str, digest: str, disposition: str) -> str | None:
        """A presigned GET, which S3 answers with this disposition and a type that no browser shows."""
        key = _key(run_id, digest)
        if not await self._bucket.has(key):
            raise _not_found(run_id)
        answered = {
            "response-content-disposition": disposition,
            "response-content-type": "application/octet-stream",
        }
        return await self._bucket.address("GET", key, {}, valid_s=_ADDRESS_VALID_S, parameters=answered)

    async def forget(self, run_ids: list[str]) -> None:
        """Nothing to do: runs are forgotten by the table's own clock, and their files by the bucket's."""


def _key(run_id: str, digest: str) -> str:
    # Both become part of a URL, so nothing else may pass.
    if not is_run_id(run_id) or not is_digest(digest):
        raise _not_found(run_id)
    return f"{ARTIFACT_PREFIX}{run_id}/{digest}"


def _not_found(run_id: str) -> ArtifactNotFound:
    return ArtifactNotFound(f"nothing is kept under that digest for the run {run_id[:80]!r}.")
