"""A started process, watched by the event loop."""

import asyncio
import os
import signal
import subprocess

from nanogrid.sandbox import processes


class Child:
    """Our own child: its end is noticed at once, and it never stays a zombie."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Must be made in the event loop that will wait for it."""
        self.pid = process.pid
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._handle = os.pidfd_open(process.pid)
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(self._handle, self._reap)

    @property
    def running(self) -> bool:
        """Whether it has not been seen to end."""
        return not self._exited.done()

    async def exit_code(self) -> int:
        """Wait for its end; negative is a signal's number. Safe to cancel."""
        return await asyncio.shield(self._exited)

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        await asyncio.wait([self._exited], timeout=seconds)
        return self._exited.done()

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if self.running:
            processes.send(self._handle, signal.SIGKILL)

    def _reap(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        # The pidfd says that it has ended, so this returns at once.
        self._exited.set_result(self._process.wait())


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
