"""What a driver starts and `guard` drives: one runtime process in its walls, with a control socket and a log pipe."""

import socket
from abc import ABC, abstractmethod
from pathlib import Path

from nanogrid.model import Function, Record


class Ending(Record, frozen=True, kw_only=True):
    """How the runtime's process ended; exactly one of code and signal is set."""

    exit_code: int | None = None
    #: The signal's name, such as `SIGSEGV`.
    signal: str | None = None
    #: Whether the kernel killed something inside because the memory limit was reached.
    out_of_memory: bool = False


class Cell(ABC):
    """One started runtime. Naive on purpose: `guard` decides when to call what.

    It never calls two at once, but for `kill`, which may come at any time.
    """

    #: Stream to the runtime, non-blocking; EOF means that the runtime is gone. The guard closes it, not the cell.
    control: socket.socket
    #: Read end of the pipe that carries the runtime's stdout and stderr, non-blocking. The guard closes it as well.
    output: int

    @abstractmethod
    async def place(self, function: Function, code: Path) -> str:
        """Make the unpacked code visible inside, read-only, and set the function's memory limit.

        Returns the code's path as the runtime sees it.
        """

    @abstractmethod
    async def kill(self) -> None:
        """End every process inside with SIGKILL and remove what the cell occupied. Idempotent; returns when gone.

        Where that takes the kernel long it returns before; what the cell occupied is given back when it is gone.
        """

    @abstractmethod
    async def ended(self) -> Ending:
        """Wait until the runtime's process is gone, and say how it went. Safe to cancel, and to call again."""

    def memory_exceeded(self) -> bool:
        """Whether the kernel has ended something inside because the memory limit was reached; False if unknown.

        A runtime whose own child was ended lives on, and only says that the child was killed.
        """
        return False

    @abstractmethod
    def memory_mb(self) -> float:
        """Resident memory of everything inside now, in MB; 0 where it can't be read any more."""
