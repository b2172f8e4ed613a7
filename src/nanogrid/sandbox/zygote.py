"""The process of which Python sandboxes are forks: started once for an interpreter, then asked for each sandbox.

All of it blocks for a moment and belongs into the spawner's thread: what a zygote forks are children of that thread.
"""

import contextlib
import marshal
import os
import socket
import subprocess
from array import array
from pathlib import Path

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.identities import Identities, Identity
from nanogrid.sandbox.interpreters import Interpreter
from nanogrid.sandbox.spawner import Order, open_pipe, start
from nanogrid.sandbox.workspace import Slot
from nanogrid.sandbox.zygote_policy import Plan

_PROGRAM = "zygote.py"
_ANSWERS_WITHIN_S = 10.0
_MAX_ANSWER = 4096
_LAST_WORDS = 1024
#: The version of `marshal` that every Python since 3.4 reads.
_MARSHAL_VERSION = 2
#: Number of the first of the sandboxes' users within the zygote's walls. Not 0: nobody in there is root.
_FIRST_INSIDE = 1


class ZygoteFailed(Exception):
    """Raised when a zygote can't be started, or does not answer; a sandbox can be started without."""


class Forked:
    """A process that a zygote has forked: our own child, though we have not started it."""

    def __init__(self, pid: int) -> None:
        """It runs, or waits to be reaped."""
        self.pid = pid
        self._code: int | None = None

    def wait(self) -> int:
        """Its exit code, as soon as it has ended; a negative code is a signal's number."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code


class Zygote:
    """One zygote, until it is closed or dies."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, said: int, users: range | None
    ) -> None:
        """Owns the process, and our ends of its socket and of the pipe for what it says.

        `users` are those that its forks will be; None where they stay whoever it is.
        """
        self._process = process
        self._control = control
        self._said = said
        self._users = users
        #: How many sandboxes it has made.
        self.forks = 0

    def begin(self, plan: Plan) -> None:
        """Have it build its walls; `advance` tells when it can fork. Raises `ZygoteFailed`."""
        try:
            self._control.send(marshal.dumps(plan, _MARSHAL_VERSION))
        except OSError as exc:
            raise self._failed(str(exc)) from exc

    def advance(self, *, wait: bool) -> bool:
        """Do what is next before it can fork, if it has come so far; whether it can. Raises `ZygoteFailed`.

        With `wait` this returns when it has come further.
        """
        self._control.settimeout(_ANSWERS_WITHIN_S if wait else 0.0)
        try:
            answer = self._answer()
            if answer == "unshared" and self._users is not None:
                self._map(self._users)
                self._control.send(b"mapped")
                return False
        except BlockingIOError:
            return False
        except OSError as exc:
            raise self._failed(str(exc)) from exc
        finally:
            self._control.settimeout(_ANSWERS_WITHIN_S)
        if answer != "ready":
            raise self._failed(answer)
        return True

    def fork(self, slot: Slot, descriptors: list[int]) -> Forked:
        """A new sandbox in the slot, with these descriptors: control, output, doors. Raises `ZygoteFailed`."""
        user = None if slot.identity is None else _FIRST_INSIDE + slot.number
        order = marshal.dumps({"slot": str(slot.number), "user": user}, _MARSHAL_VERSION)
        try:
            self._control.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))])
            forked = Forked(int(self._answer()))
        except (OSError, ValueError) as exc:
            raise self._failed(str(exc)) from exc
        self.forks += 1
        return forked

    def close(self) -> None:
        """End it. What it has forked lives on."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        os.close(self._said)

    def _map(self, users: range) -> None:
        """Let it see all users of sandboxes, so that each sandbox can have one."""
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{self._process.pid}/{name}").write_text(f"{_FIRST_INSIDE} {users.start} {len(users)}")

    def _answer(self) -> str:
        return self._control.recv(_MAX_ANSWER).decode(errors="replace")

    def _failed(self, reason: str) -> ZygoteFailed:
        try:
            words = os.read(self._said, _LAST_WORDS).decode(errors="replace").strip()
        except BlockingIOError:
            words = ""
        return ZygoteFailed(" ".join(part for part in (reason or "it ended", words) if part))


def begin_zygote(
    interpreter: Interpreter, runtimes: Path, identity: Identity | None, identities: Identities, plan: Plan
) -> Zygote:
    """Start one from the folder of runtimes, as a user of its own where sandboxes have some. Raises `ZygoteFailed`.

    It can't fork yet: see `Zygote.advance`.
    """
    control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.settimeout(_ANSWERS_WITHIN_S)
    with contextlib.ExitStack() as undo, inner, open_pipe() as (said, inner_said):
        undo.callback(control.close)
        os.set_blocking(said, False)
        # A pipe, because the forks have one there too, and Python remembers what its streams were.
        process = _start(interpreter, runtimes, identity, inner.fileno(), inner_said)
        undo.pop_all()
    zygote = Zygote(process, control, said, identities.users)
    try:
        zygote.begin(plan)
    except BaseException:
        zygote.close()
        raise
    return zygote


def _start(
    interpreter: Interpreter, runtimes: Path, identity: Identity | None, control: int, said: int
) -> subprocess.Popen[bytes]:
    order = Order(
        executable=str(interpreter.executable),
        # Relative, because who is in a sandbox can read it.
        arguments=[str(interpreter.executable), *interpreter.options, _PROGRAM, str(control)],
        folder=runtimes,
        environment={"PWD": "/"},
        identity=identity,
        descriptors=[control],
    )
    try:
        return start(order, said)
    except SandboxUnavailable as exc:
        raise ZygoteFailed(exc.detail) from exc
