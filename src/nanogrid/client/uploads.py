"""Sends large archives ahead of the deployment that names them: a request to a grid on AWS takes 6 MB at most."""

import hashlib

import msgspec

from nanogrid.client.channel import Channel
from nanogrid.client.messages import decoded
from nanogrid.errors import MethodNotAllowed, NotFound

#: Up to this size an archive travels inside the deployment, where base64 makes it a third larger.
INLINE_BYTES = 4_000_000


class _Place(msgspec.Struct):
    address: str
    headers: dict[str, str] = {}


async def send_ahead(channel: Channel, archive: bytes) -> str | None:
    """Send the archive where the grid wants it; what a deployment names it by. None for a grid that wants none."""
    digest = hashlib.sha256(archive).hexdigest()
    asked = msgspec.json.encode({"sha256": digest, "size": len(archive)})
    try:
        answer = await channel.request("POST", "/uploads", body=asked, idempotent=True)
    except (NotFound, MethodNotAllowed):  # an older grid
        return None
    place = decoded(answer, _Place)
    await channel.upload(place.address, archive, place.headers)
    return digest
