"""Cells that a zygote has forked: behind the same walls as bubblewrap's, with a first process of our own making."""

import socket
import struct
from pathlib import Path

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox import processes
from nanogrid.sandbox.child import Watched
from nanogrid.sandbox.local_cell import LocalCell
from nanogrid.sandbox.view import CODE

#: struct ucred: process, user, group.
_CREDENTIALS = struct.Struct("3i")
_MB = 1024 * 1024
#: What a fork that has just come up has for itself, both of its processes together, in MB.
_OWN_MB = 2.5
#: How long killed processes may take to be gone, in seconds.
_ENDS_WITHIN_S = 1.0
#: The first process's exit code for a signal that ended the runtime is this and the signal's number.
_SIGNAL_BASE = 128


class ZygoteCell(LocalCell):
    """Its first process is our child, and the runtime is below that."""

    #: What it had in memory when it came up.
    _shared_bytes = 0
    #: Whether its memory has been asked for before.
    _weighed = False

    def find_runtime(self) -> Watched:
        """See `LocalCell`."""
        try:
            pid = sender_of_next(self.control)
            self._shared_bytes = processes.resident_bytes(pid)
            return Watched(pid)
        except (OSError, ValueError) as exc:
            raise SandboxUnavailable(f"the runtime is up, but the kernel does not say which it is: {exc!r}.") from exc

    async def confine(self) -> None:
        """All limits were set before the runtime was there."""

    def members(self) -> list[int]:
        """See `LocalCell`; complete, for in a pid namespace nothing descends from elsewhere."""
        return processes.family(self._child.pid)[1:] if self._child.running else []

    async def end_processes(self) -> bool:
        """See `LocalCell`."""
        self._child.kill()
        return await self._child.ends_within(_ENDS_WITHIN_S)

    async def exit_status(self) -> tuple[int | None, int | None]:
        """See `LocalCell`."""
        code = await self._child.exit_code()
        if code < 0:
            return None, -code
        return (None, code - _SIGNAL_BASE) if code > _SIGNAL_BASE else (code, None)

    def inside(self, path: Path) -> str:
        """See `LocalCell`."""
        return str(CODE)

    def memory_mb(self) -> float:
        """See `Cell`. What it shared with all other forks when it came up does not count.

        An estimate, and more rather than less: to read it exactly takes the kernel ten times as long.
        """
        # First asked right after the import, while somebody waits: what that may have started counts from then on.
        members = self.members() if self._weighed else [self.runtime]
        self._weighed = True
        resident = sum(map(processes.resident_bytes, members))
        return max(0, resident - self._shared_bytes) / _MB + _OWN_MB if resident else 0.0


def tell_senders(control: socket.socket) -> None:
    """Have the kernel note from now on who sends what."""
    control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def sender_of_next(control: socket.socket) -> int:
    """Who has sent what lies in the socket, and stays there, by the number that it has here; noted no longer.

    Cheaper than to look for it in /proc, and the kernel's own word.
    """
    _, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_PEEK)
    control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    ((_, _, credentials),) = ancillary
    pid: int = _CREDENTIALS.unpack(credentials)[0]
    return pid
