"""A runtime in a Docker container."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from nanogrid.errors import SandboxBroken, SandboxUnavailable
from nanogrid.model import Function
from nanogrid.sandbox import processes
from nanogrid.sandbox.cell import Cell, Ending
from nanogrid.sandbox.docker_memory import MemoryGroup, find_memory_group, is_first_of
from nanogrid.sandbox.docker_policy import CODE
from nanogrid.sandbox.engine import Engine
from nanogrid.sandbox.removal import Removal
from nanogrid.sandbox.spawner import Ends
from nanogrid.sandbox.workspace import Slot, link_tree, remove_tree

_MB = 1024 * 1024
#: A container's first process tells of a signal as a shell does: by this and its number.
_SIGNAL_BASE = 128
#: How much of what a runtime said before it failed to start is worth an error message, in bytes.
_LAST_WORDS = 2048
#: How long `kill` waits for the engine at most, in seconds.
_GONE_WITHIN_S = 10.0


class DockerCell(Cell):
    """One container, its slot, and our ends of its connections."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        slot: Slot,
        ends: Ends,
        on_gone: Callable[["DockerCell"], None],
        *,
        memory_bytes: int,
    ) -> None:
        """Owns the slot, and the container of that name from when there is one; `memory_bytes` is its limit.

        `on_gone` is called once, when nothing of the cell is left.
        """
        self.control = ends.control
        self.output = ends.output
        self.name = name
        self.slot = slot
        #: The container's first process; 0 as long as it is not known.
        self.first = 0
        self._engine = engine
        self._memory_bytes = memory_bytes
        self._memory_group: MemoryGroup | None = None
        self._removal = Removal(self._is_gone, lambda: on_gone(self), within_s=_GONE_WITHIN_S)

    async def find_process(self, container: str) -> None:
        """Find the running container, of which this is the id, without the engine from now on, where that can be."""
        pid = (await self._engine.state(container)).pid
        if is_first_of(pid, container):
            self.first = pid
            self._memory_group = find_memory_group(pid)

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
        # First: the group goes with the container, and the engine may hear of the end before it hears of the reason.
        ran_out = self._memory_group is not None and self._memory_group.out_of_memory()
        try:
            code = await self._engine.wait(self.name)
            ran_out = ran_out or (await self._engine.state(self.name)).out_of_memory
        except SandboxUnavailable as exc:
            raise SandboxBroken(f"how a container has ended can't be known: {exc}") from exc
        if code > _SIGNAL_BASE:
            return Ending(signal=_signal_name(code - _SIGNAL_BASE), out_of_memory=ran_out)
        return Ending(exit_code=code, out_of_memory=ran_out)

    async def kill(self) -> None:
        """See `Cell`. Cancelling it does not stop it.

        Where the engine can't it is asked again until it can: what was to be ended must not run on.
        """
        await self._removal.done()

    def abandon(self) -> None:
        """Leave what the engine has not removed yet to the next start's sweep."""
        self._removal.abandon()

    def close_ends(self) -> None:
        """For a cell that no guard has taken over."""
        self.control.close()
        os.close(self.output)

    def memory_mb(self) -> float:
        """See `Cell`. Takes some 30 microseconds for each process."""
        return sum(map(processes.resident_bytes, processes.family(self.first))) / _MB if self.first else 0.0

    def last_words(self) -> str:
        """What it has said so far, for a message."""
        try:
            return os.read(self.output, _LAST_WORDS).decode(errors="replace").strip() or "nothing"
        except BlockingIOError:
            return "nothing"

    async def _allow(self, size: int) -> None:
        # It begins with what the smallest function may have, so the limit is only ever raised.
        if size <= self._memory_bytes:
            return
        if self._memory_group is None or not self._memory_group.raise_limit(size):
            await self._engine.limit_memory(self.name, size)
        self._memory_bytes = size

    async def _is_gone(self) -> bool:
        try:
            await self._engine.remove(self.name)
            await asyncio.to_thread(remove_tree, self.slot.folder)
        except (OSError, SandboxUnavailable):
            return False
        return True


def _fill(source: Path, target: Path) -> None:
    # Linked, not copied: what is inside is another user, and sees them read-only.
    for _ in link_tree(source, target):
        pass


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
