"""How cells are started on this machine, whatever their walls."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from functools import partial

from nanogrid.errors import PlatformError, RuntimeUnavailable, SandboxUnavailable
from nanogrid.model import Network
from nanogrid.ports import Sandbox, SandboxDriver
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.cgroups import Cgroup
from nanogrid.sandbox.interpreters import Interpreter, Offer
from nanogrid.sandbox.local_cell import LocalCell
from nanogrid.sandbox.machine import Machine
from nanogrid.sandbox.spawner import compile_below
from nanogrid.sandbox.workspace import Slot

#: How long a runtime may take to come up, in seconds: a hundred times what an idle machine needs.
_UP_WITHIN_S = 30.0

#: Makes the cell of a process that has been started, in the event loop.
MakeCell = Callable[[], LocalCell]


class LocalDriver(SandboxDriver):
    """Starts a cell, waits until its runtime is up, confines it and hands it to a guard."""

    def __init__(self, machine: Machine, offer: Offer, make_guard: Callable[[Cell], Sandbox]) -> None:
        """Owns the machine and closes it."""
        self._machine = machine
        self._offer = offer
        self._make_guard = make_guard
        self._cells: set[LocalCell] = set()
        self._starting: set[asyncio.Task[LocalCell]] = set()
        self._discarding: set[asyncio.Task[None]] = set()

    # What walls decide

    @abstractmethod
    async def prove(self) -> None:
        """Raises `SandboxUnavailable` where these walls can't be built here."""

    @abstractmethod
    def launch(self, interpreter: Interpreter, network: Network, slot: Slot, cgroup: Cgroup | None) -> MakeCell:
        """Start the process, in the spawner's thread; what it returns makes the cell of it, in the event loop.

        The cell's `on_gone` is `self.forget`. Raises `SandboxUnavailable`, `OSError`.
        """

    def prepare_launches(self) -> None:
        """Have ready whatever makes launches fast, in the spawner's thread."""

    # What they have in common

    async def start(self) -> None:
        """See the port."""
        await asyncio.to_thread(self._machine.prepare)
        await self.prove()
        await self._machine.spawner.do(self._compile_runtimes)
        await self._machine.spawner.do(self.prepare_launches)

    async def create(self, runtime: str, network: Network) -> Sandbox:
        """See the port. Cancelling it leaves nothing behind. Raises `RuntimeUnavailable` as well."""
        interpreter = self._interpreter(runtime)
        if reason := self.why_not(network):
            raise SandboxUnavailable(f"a sandbox with network {network.value!r} can't be started: {reason}")
        starting = asyncio.create_task(self._start_cell(interpreter, network))
        self._starting.add(starting)
        try:
            cell = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._discard(starting)
            raise
        finally:
            self._starting.discard(starting)
        return self._make_guard(cell)

    def runtimes(self) -> list[str]:
        """See the port."""
        return self._offer.runtimes()

    def describe(self) -> list[str]:
        """What this driver uses and what it can't, one line each, for `up` and `doctor`."""
        return [*self._offer.describe(), *self._machine.describe()]

    async def close(self) -> None:
        """See the port."""
        for starting in list(self._starting):
            self._discard(starting)
        await asyncio.gather(*self._discarding)
        await asyncio.gather(*(cell.kill() for cell in list(self._cells)))
        for cell in self._cells:
            cell.abandon()
        await asyncio.to_thread(self._machine.close)

    def forget(self, cell: LocalCell) -> None:
        """The cell is gone; its number, and with it its user, can be another's."""
        self._cells.discard(cell)
        self._machine.numbers.give_back(cell.slot.number)

    async def _start_cell(self, interpreter: Interpreter, network: Network) -> LocalCell:
        make_cell = await self._launch(interpreter, network)
        cell = make_cell()
        self._cells.add(cell)
        try:
            await cell.come_up(_UP_WITHIN_S)
            await cell.confine()
        except BaseException:
            await cell.kill()
            cell.close_ends()
            raise
        return cell

    async def _launch(self, interpreter: Interpreter, network: Network) -> MakeCell:
        number = self._machine.numbers.take()
        try:
            return await self._machine.spawner.do(partial(self._open_and_launch, interpreter, network, number))
        except BaseException:
            self._machine.numbers.give_back(number)
            raise

    def _open_and_launch(self, interpreter: Interpreter, network: Network, number: int) -> MakeCell:
        try:
            slot = self._machine.workspace.open_slot(number, self._machine.identities.of(number))
            with self._machine.new_cgroup() as cgroup:
                return self.launch(interpreter, network, slot, cgroup)
        except OSError as exc:
            raise SandboxUnavailable(f"a sandbox could not be set up: {exc}.") from exc

    def _compile_runtimes(self) -> None:
        """Keep the bytecode of what starts inside, for each Python: a quarter of a spare's start is compiling."""
        for interpreter in self._offer.interpreters:
            if interpreter.program == "python.py":
                compile_below(interpreter.executable, self._machine.workspace.runtimes)

    def _discard(self, starting: asyncio.Task[LocalCell]) -> None:
        task = asyncio.create_task(_end_when_started(starting))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    def _interpreter(self, runtime: str) -> Interpreter:
        for interpreter in self._offer.interpreters:
            if interpreter.runtime == runtime:
                return interpreter
        raise RuntimeUnavailable(
            f"this grid has nothing that runs {runtime!r}.",
            path="$.runtime",
            hint=f"It offers: {', '.join(self.runtimes())}.",
        )


async def _end_when_started(starting: asyncio.Task[LocalCell]) -> None:
    """End a cell that nobody waits for any more, as soon as it is there to be ended."""
    try:
        cell = await starting
    except (PlatformError, OSError):
        return
    await cell.kill()
    cell.close_ends()
