"""A container's end where the engine has trouble; no engine is needed."""

from pathlib import Path

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.docker_cell import DockerCell
from nanogrid.sandbox.spawner import open_ends
from nanogrid.sandbox.workspace import Slot


class BusyEngine:
    """Removes nothing the first times that it is asked."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.removed: list[str] = []

    async def remove(self, container: str) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise SandboxUnavailable("the engine is busy.")
        self.removed.append(container)


async def test_an_engine_that_cannot_remove_a_container_is_asked_until_it_can(tmp_path: Path) -> None:
    slot = Slot(
        number=1, folder=tmp_path / "1", code=tmp_path / "1" / "code", tmp=tmp_path / "1" / "tmp", identity=None
    )
    slot.code.mkdir(parents=True)
    engine, gone = BusyEngine(refusals=2), []
    with open_ends() as ends:
        cell = DockerCell(engine, "nanogrid-x-1", slot, ends, gone.append, memory_bytes=1)
        await cell.kill()
        await cell.kill()

        assert (engine.removed, gone) == (["nanogrid-x-1"], [cell])
        assert not slot.folder.exists()
        cell.close_ends()
