"""How one container comes up: a slot, a door, a container, and a runtime that fetches its ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from nanogrid.errors import PlatformError, SandboxUnavailable
from nanogrid.model import MIN_MEMORY_MB, Network
from nanogrid.sandbox.child import readable
from nanogrid.sandbox.docker_cell import DockerCell
from nanogrid.sandbox.docker_door import Door
from nanogrid.sandbox.docker_images import RuntimeImage
from nanogrid.sandbox.docker_network import OutboundNetwork
from nanogrid.sandbox.docker_policy import Options, Walls, container
from nanogrid.sandbox.engine import Engine
from nanogrid.sandbox.machine import Numbers
from nanogrid.sandbox.spawner import Ends, open_ends
from nanogrid.sandbox.workspace import Slot, Workspace

#: How long a runtime may take to come up once its container has started, in seconds.
_UP_WITHIN_S = 30.0
#: What a container may occupy before a function is placed in it.
_SPARE_BYTES = MIN_MEMORY_MB * 1024 * 1024


class Starter:
    """Starts cells and knows all that are left."""

    def __init__(
        self, engine: Engine, workspace: Workspace, outbound: OutboundNetwork, *, grid: str, options: Options
    ) -> None:
        """`grid` is what its containers are labelled with; `options` are the same for all of them."""
        self._engine = engine
        self._workspace = workspace
        self._outbound = outbound
        self._grid = grid
        self._options = options
        self._numbers = Numbers()
        self._cells: set[DockerCell] = set()
        self._starting: set[asyncio.Task[DockerCell]] = set()
        self._discarding: set[asyncio.Task[None]] = set()

    async def start(self, image: RuntimeImage, network: Network) -> DockerCell:
        """A cell whose runtime is up. Cancelling it leaves nothing behind. Raises `SandboxUnavailable`."""
        starting = asyncio.create_task(self._start(image, network))
        self._starting.add(starting)
        try:
            # A call that is given up half way leaves a container of which nobody knows; so it goes on to its end.
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._discard(starting)
            raise
        finally:
            self._starting.discard(starting)

    async def close(self) -> None:
        """End all that are left. What the engine does not remove now, the next start of this grid sweeps."""
        await asyncio.gather(*self._starting, *self._discarding, return_exceptions=True)
        await asyncio.gather(*(cell.kill() for cell in list(self._cells)))
        for cell in self._cells:
            cell.abandon()

    async def _start(self, image: RuntimeImage, network: Network) -> DockerCell:
        slot = await self._open_slot()
        with open_ends() as ends:
            name = f"nanogrid-{self._grid}-{slot.number}"
            cell = DockerCell(self._engine, name, slot, ends, self._forget, memory_bytes=_SPARE_BYTES)
            self._cells.add(cell)
            async with _killed_on_failure(cell):
                await self._start_container(cell, self._walls(image, network, slot), ends)
        # From here on we have our own ends only, so that the runtime's end shows.
        if reason := await _why_not_up(cell):
            await cell.kill()
            cell.close_ends()
            raise SandboxUnavailable(f"the runtime in a container {reason}.")
        return cell

    async def _start_container(self, cell: DockerCell, walls: Walls, ends: Ends) -> None:
        with closing(await asyncio.to_thread(Door, walls.door)) as door:
            created = await self._engine.create(cell.name, container(walls, self._options))
            await self._engine.start(created)
            await cell.find_process(created)
            await self._hand_over(cell, door, ends)

    async def _hand_over(self, cell: DockerCell, door: Door, ends: Ends) -> None:
        """Wait until the runtime has come for its ends, or will not come any more."""
        coming = asyncio.create_task(door.hand_over(ends.inner_control.fileno(), ends.inner_output))
        ending = asyncio.create_task(self._engine.wait(cell.name))
        try:
            await asyncio.wait({coming, ending}, timeout=_UP_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            coming.cancel()
            ending.cancel()
            came, _ = await asyncio.gather(coming, ending, return_exceptions=True)
        if isinstance(came, BaseException):
            raise SandboxUnavailable(
                f"the runtime in a container did not come for its connection: {_why_not(coming, ending)}.",
                hint="The engine must see this machine's folders, and a gVisor its Unix sockets (--host-uds=open).",
            )

    def _walls(self, image: RuntimeImage, network: Network, slot: Slot) -> Walls:
        with_network = network is Network.OUTBOUND
        return Walls(
            grid=self._grid,
            runtime=image.runtime,
            image=image.id,
            unset=image.environment,
            code=slot.code,
            door=slot.folder / "door",
            network=network,
            engine_network=self._outbound.name if with_network else "none",
            name_servers=self._outbound.name_servers if with_network else [],
            memory_bytes=_SPARE_BYTES,
        )

    async def _open_slot(self) -> Slot:
        number = self._numbers.take()
        try:
            return await asyncio.to_thread(self._workspace.open_slot, number, None)
        except OSError as exc:
            self._numbers.give_back(number)
            raise SandboxUnavailable(f"a container's folder could not be made: {exc}.") from exc

    def _forget(self, cell: DockerCell) -> None:
        self._cells.discard(cell)
        self._numbers.give_back(cell.slot.number)

    def _discard(self, starting: asyncio.Task[DockerCell]) -> None:
        task = asyncio.create_task(_end_when_started(starting))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)


async def _why_not_up(cell: DockerCell) -> str:
    """Wait for the runtime's first sign of life, and leave it unread; empty when it came."""
    if not await readable(cell.control.fileno(), _UP_WITHIN_S):
        return f"was not up within {_UP_WITHIN_S:g} s; it said: {cell.last_words()}"
    if not cell.control.recv(1, socket.MSG_PEEK):
        return f"ended before it was up; it said: {cell.last_words()}"
    return ""


def _why_not(coming: asyncio.Task[None], ending: asyncio.Task[int]) -> str:
    if not coming.cancelled():
        return str(coming.exception())
    if ending.cancelled():
        return f"it was not there within {_UP_WITHIN_S:g} s"
    return str(ending.exception() or f"it ended with {ending.result()}")


@asynccontextmanager
async def _killed_on_failure(cell: DockerCell) -> AsyncIterator[None]:
    """Nobody else would end a cell that is not up yet."""
    try:
        yield
    except BaseException:
        await cell.kill()
        raise


async def _end_when_started(starting: asyncio.Task[DockerCell]) -> None:
    """End a cell that nobody waits for any more, as soon as it is there to be ended."""
    try:
        cell = await starting
    except (PlatformError, OSError):
        return
    await cell.kill()
    cell.close_ends()
