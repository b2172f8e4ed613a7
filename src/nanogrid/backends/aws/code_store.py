"""The code store on S3: one object for each digest."""

import asyncio

from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.digests import digest_of, is_digest
from nanogrid.errors import CodeCorrupt, CodeNotFound
from nanogrid.ports import CodeStore


class AwsCodeStore(CodeStore):
    """Objects under `code/`."""

    def __init__(self, bucket: Bucket) -> None:
        """The bucket that the stack made."""
        self._bucket = bucket

    async def put(self, content: bytes) -> str:
        """See the port."""
        digest = await asyncio.to_thread(digest_of, content)
        # Always written: reading it back to see whether it is whole would cost more, and put heals.
        await self._bucket.put(code_key(digest), content)
        return digest

    async def get(self, digest: str) -> bytes:
        """See the port."""
        content = await self._bucket.get(code_key(digest))
        if content is None:
            raise _not_found(digest)
        if await asyncio.to_thread(digest_of, content) != digest:
            raise CodeCorrupt(f"the bytes stored for {digest} do not match it.", hint="Deploy the code again.")
        return content

    async def delete(self, digest: str) -> None:
        """See the port."""
        if is_digest(digest):
            await self._bucket.delete(code_key(digest))


def code_key(digest: str) -> str:
    """The object of that content. Raises `CodeNotFound` for what is no digest."""
    # A digest becomes part of a URL, so nothing else may pass.
    if not is_digest(digest):
        raise _not_found(digest)
    return f"code/{digest}"


def _not_found(digest: str) -> CodeNotFound:
    return CodeNotFound(f"the code store has nothing under {digest[:80]!r}.")
