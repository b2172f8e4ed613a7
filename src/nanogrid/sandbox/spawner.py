"""Starts processes: always from the same thread, always with nothing that was not handed over on purpose."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Record
from nanogrid.sandbox.identities import Identity

T = TypeVar("T")
_COMPILE_TIMEOUT_S = 30.0


class Order(Record, frozen=True, kw_only=True):
    """One process to be started."""

    executable: str
    #: What it is called with, from `argv[0]` on.
    arguments: list[str]
    #: Where it starts; a folder that its user may enter.
    folder: Path
    environment: dict[str, str] = {}
    #: The user to become; None stays ours.
    identity: Identity | None
    #: The only descriptors that it inherits besides stdin, stdout and stderr; numbers stay the same.
    descriptors: list[int]


class Spawner:
    """One thread that lives as long as the grid.

    A sandbox that dies with its parent dies with the parent's *thread*: one started from a thread of a passing pool
    would be killed as soon as that thread idles out.
    """

    def __init__(self) -> None:
        """The thread starts with the first order."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

    async def do(self, work: Callable[[], T]) -> T:
        """Run the work on the thread, one at a time, in order. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """End the thread, and with it every sandbox that is left."""
        self._thread.shutdown()


class Ends:
    """Both ends of what connects us with a cell: a control socket, and a pipe for its output."""

    def __init__(self) -> None:
        """Opens four descriptors, none of them inheritable."""
        self.control, self.inner_control = socket.socketpair()
        self.output, self.inner_output = os.pipe()
        self.control.setblocking(False)  # noqa: FBT003 - the socket's own way
        os.set_blocking(self.output, False)

    def close_inner(self) -> None:
        """Close the cell's ends on our side, so that its death reads as EOF."""
        self.inner_control.close()
        os.close(self.inner_output)

    def close_outer(self) -> None:
        """Close our ends, for a cell that never came up."""
        self.control.close()
        os.close(self.output)


@contextmanager
def open_ends() -> Iterator[Ends]:
    """Ends for one start: the inner ones are closed afterwards, all of them where it fails."""
    ends = Ends()
    try:
        yield ends
    except BaseException:
        ends.close_outer()
        raise
    finally:
        ends.close_inner()


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    """A pipe from a child: our end, and the child's, which is closed afterwards; both are where it fails."""
    ours, inner = os.pipe()
    try:
        yield ours, inner
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(inner)


@contextmanager
def open_data(*contents: bytes) -> Iterator[list[int]]:
    """Descriptors from which a child can read these bytes: no file, no pipe that could fill up."""
    opened: list[int] = []
    try:
        for content in contents:
            opened.append(os.memfd_create("nanogrid"))
            os.write(opened[-1], content)
            os.lseek(opened[-1], 0, os.SEEK_SET)
        yield opened
    finally:
        close_all(opened)


def close_all(descriptors: Iterable[int]) -> None:
    """Close them."""
    for descriptor in descriptors:
        os.close(descriptor)


def start(order: Order, output: int) -> subprocess.Popen[bytes]:
    """Start the process, its stdout and stderr into `output`. Raises `SandboxUnavailable`.

    Nothing of ours goes along: no environment (a sandbox can read its starter's), no descriptor, no terminal, no group.
    """
    identity = order.identity
    try:
        return subprocess.Popen(
            order.arguments,
            executable=order.executable,
            cwd=order.folder,
            env=order.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            close_fds=True,
            pass_fds=order.descriptors,
            start_new_session=True,
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=[] if identity else None,
        )
    except OSError as exc:
        raise SandboxUnavailable(
            f"{order.executable} could not be started: {exc.strerror}.",
            hint="See `nanogrid doctor`; the machine may be out of processes, descriptors or memory.",
        ) from exc


def compile_below(python: Path, folder: Path) -> None:
    """Have a Python write the bytecode of all that is in our own folder; where it can't, starting takes longer."""
    command = [str(python), "-I", "-m", "compileall", "-q", str(folder)]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, env={}, capture_output=True, timeout=_COMPILE_TIMEOUT_S, check=False)
