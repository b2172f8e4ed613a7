"""A runtime in a Docker container."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from nanogrid.errors import SandboxBroken, SandboxUnavailable
from nanogrid.model import Function
from nanogrid.sandbox import processes
from nanogrid.sandbox.cell import Cell, Ending
from nanogrid.sandbox.docker_memory import MemoryGroup
from nanogrid.sandbox.docker_policy import CODE
from nanogrid.sandbox.engine import Engine
from nanogrid.sandbox.workspace import Slot, link_tree, remove_tree

_MB = 1024 * 1024
#: A shell's way, and that of a container's first process, to tell of a signal: this and its number.
_SIGNAL_BASE = 128
#: The engine's machine may count processes in another way than we do, where we are in a container ourselves.
_UNKNOWN = 0


class DockerCell(Cell):
    """One container, its slot, and our ends of its connections."""

    def __init__(
        self,
        engine: Engine,
        container: str,
        slot: Slot,
        control: socket.socket,
        output: int,
        on_gone: Callable[["DockerCell"], None],
        *,
        memory: int,
    ) -> None:
        """Owns container and slot. `memory` is what the container is allowed so far, in bytes.

        `on_gone` is called once, when nothing of the cell is left.
        """
        self.control = control
        self.output = output
        self.container = container
        self.slot = slot
        #: The container's first process; 0 where it is not known.
        self.first = _UNKNOWN
        self._engine = engine
        self._memory = memory
        self._memory_group: MemoryGroup | None = None
        self._on_gone = on_gone
        self._killing: asyncio.Task[None] | None = None

    def know(self, first: int, memory_group: MemoryGroup | None) -> None:
        """Take the short ways from now on, where there are any."""
        self.first = first
        self._memory_group = memory_group

    async def place(self, function: Function, code: Path) -> str:
        """See `Cell`. Raises `SandboxBroken`."""
        try:
            await asyncio.to_thread(_fill, code, self.slot.code)
            await self._allow(function.memory_mb * _MB)
        except (OSError, SandboxUnavailable) as exc:
            raise SandboxBroken(f"code {function.code_sha256} could not be placed in a container: {exc}") from exc
        return CODE

    async def ended(self) -> Ending:
        """See `Cell`. Raises `SandboxBroken` where the engine can't say."""
        # First: the group goes with the container, and the engine hears of it later than it hears of the end.
        killed = self._memory_group is not None and self._memory_group.out_of_memory()
        try:
            code = await self._engine.wait(self.container)
            state = await self._engine.state(self.container)
        except SandboxUnavailable as exc:
            raise SandboxBroken(f"how a container has ended can't be known: {exc}") from exc
        out_of_memory = killed or state.out_of_memory
        if code > _SIGNAL_BASE:
            return Ending(signal=_signal_name(code - _SIGNAL_BASE), out_of_memory=out_of_memory)
        return Ending(exit_code=code, out_of_memory=out_of_memory)

    async def kill(self) -> None:
        """See `Cell`. Raises `SandboxUnavailable` where the engine could not; then it may be tried again."""
        if self._killing is None or _failed(self._killing):
            self._killing = asyncio.create_task(self._end())
        await asyncio.shield(self._killing)

    def close_ends(self) -> None:
        """For a cell that no guard has taken over."""
        self.control.close()
        os.close(self.output)

    def memory_mb(self) -> float:
        """See `Cell`. Takes some 30 microseconds for each process."""
        if self.first == _UNKNOWN:
            return 0.0
        return sum(map(processes.resident_bytes, processes.family(self.first))) / _MB

    async def _allow(self, size: int) -> None:
        """A container begins with what the smallest function has, so that the limit is only ever raised."""
        if size <= self._memory:
            return
        if self._memory_group is not None and self._memory_group.writable:
            self._memory_group.raise_limit(size)
        else:
            await self._engine.limit_memory(self.container, size)
        self._memory = size

    async def _end(self) -> None:
        await self._engine.remove(self.container)
        await asyncio.to_thread(remove_tree, self.slot.folder)
        self._on_gone(self)


def _fill(source: Path, target: Path) -> None:
    # Linked, not copied: the files are ours, and what is inside is another user and sees them read-only.
    for _ in link_tree(source, target):
        pass


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
