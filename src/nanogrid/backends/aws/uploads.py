"""Archives that are sent ahead, straight to S3: what is too large for a Lambda never goes through one."""

import asyncio
import base64

from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.aws.tables import UPLOAD_PREFIX
from nanogrid.backends.digests import digest_of, is_digest
from nanogrid.errors import UploadNotFound
from nanogrid.model import UploadPlace
from nanogrid.ports import Uploads

_VALID_S = 900


class AwsUploads(Uploads):
    """Objects under `uploads/`, apart from the code that functions have; the bucket's lifecycle removes them."""

    def __init__(self, bucket: Bucket) -> None:
        """The bucket that the stack made."""
        self._bucket = bucket

    async def place(self, digest: str, size: int, *, tenant: str) -> UploadPlace | None:
        """A presigned PUT. S3 itself refuses other bytes: size and checksum are part of the signature."""
        checksum = {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(digest)).decode()}
        address = await self._bucket.address(
            "PUT", _key(digest, tenant), {"content-length": str(size), **checksum}, valid_s=_VALID_S
        )
        return UploadPlace(
            sha256=digest,
            size=size,
            address=address,
            headers=checksum,
            valid_ms=_VALID_S * 1000,
        )

    async def keep(self, content: bytes, *, tenant: str) -> None:
        """See the port."""
        await self._bucket.put(_key(await asyncio.to_thread(digest_of, content), tenant), content)

    async def get(self, digest: str, *, tenant: str) -> bytes:
        """See the port."""
        content = await self._bucket.get(_key(digest, tenant))
        if content is None or await asyncio.to_thread(digest_of, content) != digest:
            raise _not_found(digest)
        return content


def _key(digest: str, tenant: str) -> str:
    # A digest becomes part of a URL, so nothing else may pass.
    if not is_digest(digest):
        raise _not_found(digest)
    return f"{UPLOAD_PREFIX}{tenant}/{digest}"


def _not_found(digest: str) -> UploadNotFound:
    return UploadNotFound(
        f"no archive with the sha-256 {digest[:80]!r} was uploaded.",
        path="$.upload",
        hint="Send it, then deploy again.",
    )
