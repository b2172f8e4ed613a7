"""What runs hand out before they end, and where it goes."""

from nanogrid.model import Artifact
from nanogrid.ports import ArtifactStore, Outlet


class RunOutlet(Outlet):
    """The outlet of all runs of one worker."""

    def __init__(self, artifact_store: ArtifactStore) -> None:
        """Files go into the store."""
        self._artifact_store = artifact_store

    async def keep(self, run_id: str, path: str, content: bytes) -> Artifact:
        """See the port."""
        digest = await self._artifact_store.put(run_id, content)
        return Artifact(path=path, size=len(content), sha256=digest)
