"""What is too large to travel inline: it goes through the bucket, and callers do not see it."""

import hashlib
from collections import OrderedDict

from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.aws.tables import PAYLOAD_PREFIX
from nanogrid.errors import StoreUnavailable

#: Payloads that this process knows to be there: a run's input is kept by the run store, and sent by the queue.
_KNOWN = 1_000


class Payloads:
    """Bytes by their content. They expire with the bucket's lifecycle; nobody deletes them."""

    def __init__(self, bucket: Bucket) -> None:
        """The bucket that the stack made."""
        self._bucket = bucket
        self._known: OrderedDict[str, None] = OrderedDict()

    async def put(self, content: bytes) -> str:
        """Keep the bytes, and return the reference that `get` takes."""
        reference = hashlib.sha256(content).hexdigest()
        if reference not in self._known:
            await self._bucket.put(PAYLOAD_PREFIX + reference, content)
            self._known[reference] = None
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return reference

    async def get(self, reference: str) -> bytes:
        """The bytes. Raises `StoreUnavailable` where they are not there any more."""
        content = await self._bucket.get(PAYLOAD_PREFIX + reference)
        if content is None:
            raise StoreUnavailable(f"the payload {reference} is gone.", hint="Payloads expire after some weeks.")
        return content
