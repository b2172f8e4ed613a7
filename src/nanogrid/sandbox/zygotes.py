"""A zygote for each Python of a grid: started when it is first needed, and again when it has died."""

import time
from collections.abc import Callable
from pathlib import Path

from nanogrid.model import Network
from nanogrid.sandbox.interpreters import Interpreter
from nanogrid.sandbox.machine import Machine
from nanogrid.sandbox.view import Walls
from nanogrid.sandbox.workspace import Slot
from nanogrid.sandbox.zygote import Forked, Zygote, ZygoteFailed, start_zygote
from nanogrid.sandbox.zygote_policy import plan

#: How long nobody tries again to start a zygote that could not be started, in seconds.
_PAUSE_S = 60.0
_FORKS = "python.py"


class Zygotes:
    """For the spawner's thread alone, but for `describe`. Where there is none, sandboxes are started one by one."""

    def __init__(
        self,
        machine: Machine,
        *,
        seccomp: bytes | None,
        enabled: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seccomp` is a compiled filter program. Where not `enabled`, there never is a zygote."""
        self._machine = machine
        self._seccomp = seccomp or b""
        self._enabled = enabled
        self._now = now
        self._running: dict[str, Zygote] = {}
        #: Numbers, and so users, of those that run.
        self._numbers: dict[str, int] = {}
        self._failures: dict[str, str] = {}
        self._not_before: dict[str, float] = {}

    def fork(self, interpreter: Interpreter, slot: Slot, descriptors: list[int]) -> Forked | None:
        """A sandbox from the interpreter's zygote; None where it has to be started without.

        Raises `ZygoteFailed` where the zygote died or hung over this order: it is ended, and somebody may have these
        descriptors. With others the next one may be asked.
        """
        zygote = self.ready(interpreter)
        try:
            return None if zygote is None else zygote.fork(slot, descriptors)
        except ZygoteFailed:
            self._end(interpreter.runtime)
            raise

    def ready(self, interpreter: Interpreter) -> Zygote | None:
        """The interpreter's zygote, started if need be; None where there is none for now."""
        name = interpreter.runtime
        if not self._enabled or interpreter.program != _FORKS or self._now() < self._not_before.get(name, 0.0):
            return None
        if name not in self._running:
            try:
                self._start(interpreter)
            except ZygoteFailed as exc:
                self._give_up(name, str(exc))
        return self._running.get(name)

    def describe(self) -> list[str]:
        """For people: what is forked, and what is not and why; a line each."""
        return [*(f"{name}: sandboxes are forked from a zygote" for name in sorted(self._running)), *self.failures()]

    def failures(self) -> list[str]:
        """For people: what can't be forked and why; a line each."""
        said = "sandboxes are started one by one, which takes longer, for no zygote runs"
        return [f"{name}: {said}: {reason}" for name, reason in sorted(self._failures.items())]

    def close(self) -> None:
        """End all. Sandboxes live on. Idempotent."""
        for name in list(self._running):
            self._end(name)

    def _start(self, interpreter: Interpreter) -> None:
        machine = self._machine
        number = machine.numbers.take()
        try:
            zygote = start_zygote(
                interpreter,
                machine.workspace.runtimes,
                machine.identities.of(number),
                machine.identities,
                self._plan(interpreter),
            )
        except BaseException:
            machine.numbers.give_back(number)
            raise
        self._running[interpreter.runtime], self._numbers[interpreter.runtime] = zygote, number
        self._failures.pop(interpreter.runtime, None)

    def _plan(self, interpreter: Interpreter) -> dict[str, object]:
        workspace = self._machine.workspace
        walls = Walls(
            runtimes=workspace.runtimes,
            hosts=workspace.hosts,
            code=Path(),
            binds=interpreter.binds,
            network=Network.NONE,
            limits=self._machine.limits,
        )
        maps_users = self._machine.identities.users is not None
        return plan(walls, workspace.slots, interpreter, seccomp=self._seccomp, maps_users=maps_users)

    def _end(self, name: str) -> None:
        self._running.pop(name).close()
        self._machine.numbers.give_back(self._numbers.pop(name))

    def _give_up(self, name: str, reason: str) -> None:
        self._failures[name] = reason
        self._not_before[name] = self._now() + _PAUSE_S
