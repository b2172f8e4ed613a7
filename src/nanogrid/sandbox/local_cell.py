"""What the cells of one machine have in common, whatever their walls."""

import asyncio
import os
import signal
import socket
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nanogrid.errors import SandboxBroken, SandboxUnavailable
from nanogrid.model import Function
from nanogrid.sandbox import limits, processes
from nanogrid.sandbox.cell import Cell, Ending
from nanogrid.sandbox.cgroups import Cgroup
from nanogrid.sandbox.child import Child, Process, Watched, readable
from nanogrid.sandbox.machine import Machine
from nanogrid.sandbox.memory_watch import Ceiling
from nanogrid.sandbox.removal import Removal
from nanogrid.sandbox.spawner import Ends
from nanogrid.sandbox.workspace import Slot, link_tree, remove_tree

_MB = 1024 * 1024
#: Files that are placed at once; more of them are placed in a thread, so that the event loop does not stand still.
_FEW_FILES = 32
#: How often, 5 ms apart, killing is tried: what can't be ended in a second hangs in the kernel.
_KILL_ROUNDS = 200
_KILL_PAUSE_S = 0.005
#: How long `kill` waits at most, in seconds.
_GONE_WITHIN_S = 2.0
#: How much of what a runtime said before it failed to start is worth an error message, in bytes.
_LAST_WORDS = 2048


@dataclass(frozen=True)
class Launched:
    """A process that has just been started for a cell, with our ends of its connections."""

    slot: Slot
    process: Process
    ends: Ends
    cgroup: Cgroup | None


class LocalCell(Cell):
    """A runtime on this machine; on its own in the kernel's eyes, or else sharing a user with everything of ours.

    Walls differ in which processes are inside, how these end, and what an exit means.
    """

    def __init__(
        self, machine: Machine, launched: Launched, on_gone: Callable[["LocalCell"], None], *, apart: bool
    ) -> None:
        """Owns the slot and the process; the ends belong to the guard as soon as there is one.

        `apart` says whether the kernel counts its processes, and guards files from it, as those of another user.
        `on_gone` is called once, when nothing of the cell is left; never where something can't be ended.
        """
        self.control = launched.ends.control
        self.output = launched.ends.output
        self.slot = launched.slot
        self._machine = machine
        self._child = Child(launched.process)
        self._apart = apart
        self._runtime: Watched | None = None
        self._cgroup = launched.cgroup
        self._exceeded_memory = False
        self._removal = Removal(self._is_gone, lambda: on_gone(self), within_s=_GONE_WITHIN_S)

    # What walls decide

    @abstractmethod
    def find_runtime(self) -> Watched:
        """The runtime's process, as soon as it is up. Raises `SandboxUnavailable`."""

    @abstractmethod
    def members(self) -> list[int]:
        """The runtime and what it has started, to be looked at; a daemon of a cell without walls may be missing."""

    @abstractmethod
    async def end_processes(self) -> bool:
        """End the child and every process inside; whether all are gone. Called again until they are."""

    @abstractmethod
    async def exit_status(self) -> tuple[int | None, int | None]:
        """Wait until the runtime is gone: its exit code, or the number of the signal that ended it."""

    @abstractmethod
    def inside(self, path: Path) -> str:
        """How the runtime sees its code, which lies at this path."""

    # What they have in common

    @property
    def runtime(self) -> int:
        """The runtime's pid; 0 as long as it is not known to be up."""
        return self._runtime.pid if self._runtime else 0

    async def come_up(self, within_s: float) -> None:
        """Wait for the runtime's first sign of life, and leave it unread. Raises `SandboxUnavailable`."""
        if not await readable(self.control.fileno(), within_s):
            raise SandboxUnavailable(f"the runtime was not up within {within_s:g} s; it said: {self._last_words()}")
        if not self.control.recv(1, socket.MSG_PEEK):
            await self._child.ends_within(1.0)
            raise SandboxUnavailable(f"the runtime ended before it was up; it said: {self._last_words()}")
        self._runtime = self.find_runtime()

    async def confine(self) -> None:
        """Set every limit that does not depend on the function. Raises `SandboxUnavailable`."""
        await asyncio.to_thread(self._confine)

    def _confine(self) -> None:
        try:
            limits.confine(self.runtime, self._machine.limits, self.slot.identity, count_processes=self._apart)
            if self._cgroup is not None:
                self._cgroup.attach(self.runtime)
        except OSError as exc:
            raise SandboxUnavailable(f"the runtime could not be confined: {exc}.") from exc

    async def place(self, function: Function, code: Path) -> str:
        """See `Cell`. Raises `SandboxBroken`."""
        try:
            steps = link_tree(code, self.slot.code, copy=not self._apart)
            if sum(1 for _ in islice(steps, _FEW_FILES)) == _FEW_FILES:
                await asyncio.to_thread(lambda: sum(1 for _ in steps))
            self._limit_memory(function.memory_mb * _MB)
        except OSError as exc:
            raise SandboxBroken(f"code {function.code_sha256} could not be placed in a sandbox: {exc}.") from exc
        return self.inside(self.slot.code)

    async def ended(self) -> Ending:
        """See `Cell`."""
        code, number = await self.exit_status()
        name = None if number is None else _signal_name(number)
        return Ending(exit_code=code, signal=name, out_of_memory=self.memory_exceeded())

    def memory_exceeded(self) -> bool:
        """See `Cell`."""
        return self._exceeded_memory or (self._cgroup is not None and self._cgroup.out_of_memory())

    async def kill(self) -> None:
        """See `Cell`. Cancelling it does not stop it."""
        await self._removal.done()

    def abandon(self) -> None:
        """Leave what has not ended yet, though killed, to the next start's sweep."""
        self._removal.abandon()

    def close_ends(self) -> None:
        """For a cell that no guard has taken over."""
        self.control.close()
        os.close(self.output)

    def memory_mb(self) -> float:
        """See `Cell`. Takes some 30 microseconds for each process."""
        return sum(map(processes.resident_bytes, self.members())) / _MB

    def _limit_memory(self, size: int) -> None:
        if self._cgroup is not None:
            self._cgroup.limit_memory(size)
            return
        limits.confine_memory(self.runtime, size, self.slot.identity)
        ceiling = Ceiling(members=self.members, limit_bytes=size, on_exceeded=self._exceed_memory)
        self._machine.memory_watch.add(self.slot.number, ceiling)

    def _exceed_memory(self) -> None:
        self._exceeded_memory = True
        # The guard sees the end of the runtime, asks how it ended, and then calls `kill` itself.
        processes.kill_all(self.members)

    async def _is_gone(self) -> bool:
        # While the number is ours: the next cell that has it is watched under it.
        self._machine.memory_watch.remove(self.slot.number)
        return await self.end_processes() and await self._remove_cgroup() and await asyncio.to_thread(self._remove_slot)

    async def _remove_cgroup(self) -> bool:
        for _ in range(_KILL_ROUNDS):
            if self._cgroup is None or self._cgroup.remove():
                return True
            await asyncio.sleep(_KILL_PAUSE_S)
        return False

    def _remove_slot(self) -> bool:
        # What can't be removed now, because the disk or a process hangs, may be later.
        try:
            remove_tree(self.slot.folder)
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        try:
            return os.read(self.output, _LAST_WORDS).decode(errors="replace").strip() or "nothing"
        except BlockingIOError:
            return "nothing"


async def kill_until_gone(find: Callable[[], list[int]]) -> bool:
    """Send SIGKILL until nothing is found, for a second at most: what forks meanwhile dies in the next round."""
    for _ in range(_KILL_ROUNDS):
        if not await asyncio.to_thread(processes.kill_all, find):
            return True
        await asyncio.sleep(_KILL_PAUSE_S)
    return False


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
