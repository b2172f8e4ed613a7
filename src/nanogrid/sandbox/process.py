"""Plain processes: limits but no walls, for machines that can't build any. Only ever chosen by name.

A function sees this machine's files and network as its user does. As root each cell still has a user of its own, and
whatever it starts is found by that; as an ordinary user a daemon that leaves its session and its folder can get away.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from nanogrid.model import Network
from nanogrid.sandbox import processes
from nanogrid.sandbox.cgroups import Cgroup
from nanogrid.sandbox.child import Watched
from nanogrid.sandbox.interpreters import Interpreter
from nanogrid.sandbox.local_cell import Launched, LocalCell, kill_until_gone
from nanogrid.sandbox.local_driver import LocalDriver, MakeCell
from nanogrid.sandbox.machine import Machine
from nanogrid.sandbox.spawner import Order, open_ends, start
from nanogrid.sandbox.workspace import Slot, make_tmp

#: How long a killed process may take to be gone, in seconds.
_ENDS_WITHIN_S = 1.0


class ProcessCell(LocalCell):
    """A runtime in a session of its own."""

    def __init__(self, machine: Machine, launched: Launched, on_gone: Callable[[LocalCell], None]) -> None:
        """See `LocalCell`."""
        super().__init__(machine, launched, on_gone, apart=launched.slot.identity is not None)

    def find_runtime(self) -> Watched:
        """See `LocalCell`."""
        return self._child

    def members(self) -> list[int]:
        """See `LocalCell`."""
        return processes.family(self._child.pid) if self._child.running else []

    async def end_processes(self) -> bool:
        """See `LocalCell`."""
        return await kill_until_gone(self._find_all) and await self._child.ends_within(_ENDS_WITHIN_S)

    async def exit_status(self) -> tuple[int | None, int | None]:
        """See `LocalCell`."""
        code = await self._child.exit_code()
        return (code, None) if code >= 0 else (None, -code)

    def inside(self, path: Path) -> str:
        """See `LocalCell`."""
        return str(path)

    def _find_all(self) -> list[int]:
        """Whatever the cell has ever started, as well as can be known: by its user, by its cgroup, or by traces."""
        if (identity := self.slot.identity) is not None:
            return processes.of_users(range(identity.uid, identity.uid + 1))
        if self._cgroup is not None:
            return self._cgroup.members()
        runtime = self._child.pid
        return list({*self.members(), *processes.of_session(runtime), *processes.inside_folder(self.slot.folder)})


class ProcessDriver(LocalDriver):
    """Starts runtimes without walls."""

    async def prove(self) -> None:
        """Nothing to prove: a process can be started wherever this program runs."""

    def why_not(self, network: Network) -> str:
        """Every process has the machine's network, whatever the function asked for."""
        return ""

    def launch(self, interpreter: Interpreter, network: Network, slot: Slot, cgroup: Cgroup | None) -> MakeCell:
        """See `LocalDriver`."""
        make_tmp(slot)
        with open_ends() as ends:
            control = ends.inner_control.fileno()
            command = interpreter.command(self._machine.workspace.runtimes, control)
            order = Order(
                executable=command[0],
                arguments=command,
                folder=slot.folder,
                environment={"TMPDIR": str(slot.tmp), "HOME": str(slot.tmp)},
                identity=slot.identity,
                descriptors=[control],
            )
            with self._machine.inside(cgroup):
                process = start(order, ends.inner_output)
            launched = Launched(slot=slot, process=process, ends=ends, cgroup=cgroup)
        return partial(ProcessCell, self._machine, launched, self.forget)
