"""Sandboxes in Docker containers, through the engine's API."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from nanogrid.errors import RuntimeUnavailable, SandboxUnavailable
from nanogrid.model import Network
from nanogrid.ports import Sandbox, SandboxDriver
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.docker_images import RuntimeImage, find_images
from nanogrid.sandbox.docker_network import OutboundNetwork
from nanogrid.sandbox.docker_policy import GRID, Options
from nanogrid.sandbox.docker_probe import check, describe
from nanogrid.sandbox.docker_start import Starter
from nanogrid.sandbox.engine import Engine
from nanogrid.sandbox.interpreters import PROGRAMS
from nanogrid.sandbox.workspace import Workspace

#: One image runs programs of both kinds.
_COMMAND, _PROVIDED = PROGRAMS
_RUNTIMES = Path(__file__).parent.parent / "runtimes"


class DockerDriver(SandboxDriver):
    """Starts containers from the runtime images, and hands each to a guard."""

    def __init__(
        self,
        engine: Engine,
        workspace: Workspace,
        outbound: OutboundNetwork,
        make_guard: Callable[[Cell], Sandbox],
        *,
        options: Options | None = None,
    ) -> None:
        """Owns the engine's connection and the workspace, and closes both."""
        self._engine = engine
        self._workspace = workspace
        self._outbound = outbound
        self._make_guard = make_guard
        # By the data folder, not by the workspace, which may lie in another place after each start.
        self._grid = sha256(str(workspace.data).encode()).hexdigest()[:12]
        self._starter = Starter(engine, workspace, outbound, grid=self._grid, options=options or Options())
        self._images: list[RuntimeImage] = []
        self._notes: list[str] = []

    async def start(self) -> None:
        """See the port."""
        version = await self._engine.agree()
        info = await self._engine.info()
        check(info)
        await self._sweep()
        self._images, missing = await find_images(self._engine)
        if not self._images:
            raise SandboxUnavailable(f"{'; '.join(missing)}.", hint="Make them with `nanogrid images build`.")
        await self._outbound.open(self._engine)
        self._notes = [*describe(version, info), *missing]
        await self._prove()

    async def create(self, runtime: str, network: Network) -> Sandbox:
        """See the port. Cancelling it leaves nothing behind. Raises `RuntimeUnavailable` as well."""
        image = self._image(runtime)
        if reason := self.why_not(network):
            raise SandboxUnavailable(f"a container with network {network.value!r} can't be started: {reason}")
        return self._make_guard(await self._starter.start(image, network))

    def why_not(self, network: Network) -> str:
        """See the port."""
        return self._outbound.why_not if network is Network.OUTBOUND else ""

    def runtimes(self) -> list[str]:
        """See the port."""
        own = [image.runtime for image in self._images]
        return [*own, _PROVIDED] if _COMMAND in own else own

    def describe(self) -> list[str]:
        """What this driver uses and what it can't, one line each, for `up` and `doctor`."""
        outbound = self._outbound.why_not or f"goes through {self._outbound.name}"
        return [*self._notes, f"network outbound: {outbound}"]

    async def close(self) -> None:
        """See the port."""
        await self._starter.close()
        await self._engine.close()
        await asyncio.to_thread(self._workspace.close)

    async def _sweep(self) -> None:
        """Remove the containers that an earlier start has left; only then nobody uses its slots any more."""
        left = await self._engine.containers(f"{GRID}={self._grid}")
        await asyncio.gather(*map(self._engine.remove, left))
        await asyncio.to_thread(self._workspace.prepare, _RUNTIMES)
        await asyncio.to_thread(self._workspace.sweep)

    async def _prove(self) -> None:
        """Start one container of each image, and end it again."""
        cells = await asyncio.gather(*(self._starter.start(image, Network.NONE) for image in self._images))
        for cell in cells:
            await cell.kill()
            cell.close_ends()

    def _image(self, runtime: str) -> RuntimeImage:
        for image in self._images:
            if image.runtime == (_COMMAND if runtime == _PROVIDED else runtime):
                return image
        raise RuntimeUnavailable(
            f"this grid has no image that runs {runtime!r}.",
            path="$.runtime",
            hint=f"It offers: {', '.join(self.runtimes())}.",
        )
