"""What the SDK does about the files that runs left."""

from urllib.parse import quote

from nanogrid.client.administration import run_path
from nanogrid.client.channel import Channel
from nanogrid.client.messages import decoded
from nanogrid.client.records import ArtifactInfo, Listing


class Downloads:
    """A part of `AsyncClient`."""

    _channel: Channel

    async def artifacts(self, run_id: str) -> list[ArtifactInfo]:
        """The files that the run left in its output folder. Raises `RunNotFound`."""
        response = await self._channel.request("GET", f"{run_path(run_id)}/artifacts", idempotent=True)
        return decoded(response, Listing[ArtifactInfo]).items

    async def artifact(self, run_id: str, path: str) -> bytes:
        """One of them, by its path. Raises `RunNotFound`, `ArtifactNotFound`."""
        address = f"{run_path(run_id)}/artifacts/{quote(path, safe='/')}"
        return (await self._channel.request("GET", address, idempotent=True)).content
