"""Where answers go that are too large for a Lambda: to the bucket, under an address that nobody guesses."""

import hashlib

from nanogrid.backends.aws import AwsSettings
from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.aws.client import AwsClient
from nanogrid.backends.aws.tables import PAYLOAD_PREFIX

#: How long an address may be used, in seconds.
_VALID_S = 300


class BucketSpill:
    """Keeps answers among the payloads, which expire."""

    def __init__(self, client: AwsClient, settings: AwsSettings) -> None:
        """Nothing is asked yet."""
        self._bucket = _bucket(client, settings)

    async def __call__(self, content: bytes) -> str:
        """Keep the bytes, and return the address. Raises as the bucket does."""
        key = f"{PAYLOAD_PREFIX}answers/{hashlib.sha256(content).hexdigest()}"
        await self._bucket.put(key, content)
        return await self._bucket.address("GET", key, {}, valid_s=_VALID_S)


def _bucket(client: AwsClient, settings: AwsSettings) -> Bucket:
    if settings.endpoint_url:
        return Bucket(client.service("s3", settings.endpoint_url), f"/{settings.code_bucket}")
    return Bucket(client.service("s3", f"https://{settings.code_bucket}.s3.{settings.region}.amazonaws.com"))
