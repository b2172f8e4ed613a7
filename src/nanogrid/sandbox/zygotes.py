"""A zygote for each Python of a grid: started when it is first needed, again when it has died, and anew when it is old.

Forks of one zygote share where their libraries lie and the secret of their hashes, so no zygote serves for long. Its
successor starts beside it and takes over when it can fork: no sandbox waits for that.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from nanogrid.model import Network
from nanogrid.sandbox.interpreters import Interpreter
from nanogrid.sandbox.machine import Machine
from nanogrid.sandbox.view import Walls
from nanogrid.sandbox.workspace import Slot
from nanogrid.sandbox.zygote import Forked, Zygote, ZygoteFailed, begin_zygote
from nanogrid.sandbox.zygote_policy import plan

#: How long nobody tries again to start a zygote that could not be started, in seconds.
_PAUSE_S = 60.0
_FORKS = "python.py"
#: After so many forks, or so many seconds, a zygote is replaced.
RENEW_AFTER_FORKS = 1_000
_RENEW_AFTER_S = 1_800.0
#: How long a successor may take until it can fork, in seconds.
_SUCCEEDS_WITHIN_S = 60.0


class _Begun(NamedTuple):
    """A zygote, and what is held for it."""

    zygote: Zygote
    #: Of the user that it is.
    number: int
    since: float


class Zygotes:
    """For the spawner's thread alone, but for `describe`. Where there is none, sandboxes are started one by one."""

    def __init__(
        self,
        machine: Machine,
        *,
        seccomp: bytes | None,
        enabled: bool = True,
        preimport: Sequence[str] = (),
        renew_after_forks: int = RENEW_AFTER_FORKS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seccomp` is a compiled filter program. Where not `enabled`, there never is a zygote.

        `preimport` are modules of Python's own that each zygote imports, and so finds each of its forks imported.
        """
        self._machine = machine
        self._seccomp = seccomp or b""
        self._enabled = enabled
        self._now = now
        self._preimport = preimport
        self._renew_after_forks = renew_after_forks
        self._running: dict[str, _Begun] = {}
        self._successors: dict[str, _Begun] = {}
        self._renew_not_before: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._not_before: dict[str, float] = {}

    def fork(self, interpreter: Interpreter, slot: Slot, descriptors: list[int]) -> Forked | None:
        """A sandbox from the interpreter's zygote; None where it has to be started without.

        Raises `ZygoteFailed` where the zygote died or hung over this order: it is ended, and somebody may have these
        descriptors. With others the next one may be asked.
        """
        zygote = self.ready(interpreter)
        if zygote is None:
            return None
        try:
            forked = zygote.fork(slot, descriptors)
        except ZygoteFailed:
            self._end(self._running.pop(interpreter.runtime))
            raise
        self._renew(interpreter)
        return forked

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
        running = self._running.get(name)
        return None if running is None else running.zygote

    def describe(self) -> list[str]:
        """For people: what is forked, and what is not and why; a line each."""
        return [*(f"{name}: sandboxes are forked from a zygote" for name in sorted(self._running)), *self.failures()]

    def failures(self) -> list[str]:
        """For people: what can't be forked and why; a line each."""
        said = "sandboxes are started one by one, which takes longer, for no zygote runs"
        return [f"{name}: {said}: {reason}" for name, reason in sorted(self._failures.items())]

    def close(self) -> None:
        """End all. Sandboxes live on. Idempotent."""
        for begun in (self._running, self._successors):
            while begun:
                self._end(begun.popitem()[1])

    def _start(self, interpreter: Interpreter) -> None:
        begun = self._begin(interpreter)
        try:
            while not begun.zygote.advance(wait=True):
                pass
        except BaseException:
            self._end(begun)
            raise
        self._running[interpreter.runtime] = begun
        self._failures.pop(interpreter.runtime, None)

    def _begin(self, interpreter: Interpreter) -> _Begun:
        machine = self._machine
        number = machine.numbers.take()
        try:
            zygote = begin_zygote(
                interpreter,
                machine.workspace.runtimes,
                machine.identities.of(number),
                machine.identities,
                self._plan(interpreter),
            )
        except BaseException:
            machine.numbers.give_back(number)
            raise
        return _Begun(zygote, number, self._now())

    def _renew(self, interpreter: Interpreter) -> None:
        """Bring the succession of an old zygote one step further; where it fails, the old one goes on for a while."""
        name, now = interpreter.runtime, self._now()
        successor = self._successors.pop(name, None)
        try:
            if successor is not None:
                self._succeed(name, successor, now)
            elif self._is_old(name, now):
                self._successors[name] = self._begin(interpreter)
        except ZygoteFailed:
            self._renew_not_before[name] = now + _PAUSE_S
            if successor is not None:
                self._end(successor)

    def _succeed(self, name: str, successor: _Begun, now: float) -> None:
        """Let the successor take over, if it can fork by now. Raises `ZygoteFailed`."""
        if successor.zygote.advance(wait=False):
            self._end(self._running[name])
            self._running[name] = successor
        elif now - successor.since < _SUCCEEDS_WITHIN_S:
            self._successors[name] = successor
        else:
            raise ZygoteFailed("it was not ready in time")

    def _is_old(self, name: str, now: float) -> bool:
        running = self._running[name]
        if now < self._renew_not_before.get(name, 0.0):
            return False
        return running.zygote.forks >= self._renew_after_forks or now - running.since >= _RENEW_AFTER_S

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
        return plan(
            walls,
            workspace.slots,
            interpreter,
            seccomp=self._seccomp,
            maps_users=maps_users,
            preimport=self._preimport,
        )

    def _end(self, begun: _Begun) -> None:
        begun.zygote.close()
        self._machine.numbers.give_back(begun.number)

    def _give_up(self, name: str, reason: str) -> None:
        self._failures[name] = reason
        self._not_before[name] = self._now() + _PAUSE_S
