"""Processes whose end the event loop notices at once."""

import asyncio
import os
import signal
from typing import Protocol

from nanogrid.sandbox import processes


class Process(Protocol):
    """A child of this process, as `subprocess.Popen` is one."""

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self) -> int:
        """Its exit code, as soon as it has ended; a negative code is a signal's number."""


class Watched:
    """A process, held by a descriptor so that its pid cannot pass to another."""

    def __init__(self, pid: int) -> None:
        """Must be made in the event loop that will wait for it. Raises `ProcessLookupError` where it is gone."""
        self.pid = pid
        self._loop = asyncio.get_running_loop()
        self._handle = os.pidfd_open(pid)
        self.at_end: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._handle, self._on_end)

    @property
    def running(self) -> bool:
        """Whether it has not been seen to end."""
        return not self.at_end.done()

    async def end(self, *others: "Watched") -> None:
        """Wait for its end, or that of any of the others. Safe to cancel."""
        await asyncio.wait([self.at_end, *(other.at_end for other in others)], return_when=asyncio.FIRST_COMPLETED)

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        await asyncio.wait([self.at_end], timeout=seconds)
        return not self.running

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if self.running:
            processes.send(self._handle, signal.SIGKILL)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self.at_end.set_result(None)


class Child(Watched):
    """A process of our own, which never stays a zombie."""

    def __init__(self, process: Process) -> None:
        """See `Watched`."""
        super().__init__(process.pid)
        self._process = process

    async def exit_code(self) -> int:
        """Wait for its end; a negative code is a signal's number. Safe to cancel."""
        await self.end()
        return self._process.wait()

    def _on_end(self) -> None:
        # It has ended, so this returns at once.
        self._process.wait()
        super()._on_end()


async def readable(descriptor: int, within_s: float) -> bool:
    """Wait until the descriptor has something to read, its end included; False when the time is over."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(within_s):
            await ready.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True
