"""What runs hand out before they end, and where it goes."""

from nanogrid.model import Artifact
from nanogrid.part_streams import PartStreams
from nanogrid.ports import ArtifactStore, Outlet, Part


class RunOutlet(Outlet):
    """The outlet of all runs of one worker."""

    def __init__(self, artifact_store: ArtifactStore, part_streams: PartStreams | None = None) -> None:
        """Files go into the store, parts into the streams; without streams nobody reads any."""
        self._artifact_store = artifact_store
        self._part_streams = part_streams

    async def keep(self, run_id: str, path: str, content: bytes) -> Artifact:
        """See the port."""
        digest = await self._artifact_store.put(run_id, content)
        return Artifact(path=path, size=len(content), sha256=digest)

    def wants_parts(self, run_id: str) -> bool:
        """See the port."""
        return self._part_streams is not None and self._part_streams.begin(run_id)

    async def part(self, run_id: str, part: Part) -> None:
        """See the port."""
        if self._part_streams is not None:
            await self._part_streams.put(run_id, part)
