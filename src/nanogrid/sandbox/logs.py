"""Collects what a sandbox writes to stdout and stderr: all of it is read, a bounded part is kept."""

import asyncio
import fcntl
import os
import sys
import termios

from nanogrid.model import MAX_LOG_BYTES, Logs
from nanogrid.ports import LogSink

#: What a pipe holds unless somebody has changed it.
_READ = 64 * 1024
#: Most that is still read when a run has ended: a flood must not hold up the answer.
_LAST_READ = 1024 * 1024
_NOTHING = Logs()
_NO_COUNT = bytes(4)


class LogCollector:
    """Reads the pipe as fast as it fills, so that no function waits for us; keeps the head and the tail of each run.

    What is written between two runs belongs to the later one.
    """

    def __init__(self, pipe: int, *, keep: int = MAX_LOG_BYTES) -> None:
        """Owns the non-blocking read end from now on; keeps `keep` bytes of a run, as they were written."""
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._half = keep // 2
        self._sink: LogSink | None = None
        self._armed = True
        self._closed = False
        self._reset()
        self._loop.add_reader(pipe, self._readable)

    def begin(self, sink: LogSink | None) -> None:
        """A run begins: from now on the sink gets every piece too, first what has been written before."""
        self._sink = sink
        if sink is not None and self._written:
            sink(bytes(self._head + self._tail))

    def take(self) -> Logs:
        """A run has ended: what it has written, whatever still is in the pipe included."""
        self._drain()
        self._sink = None
        if not self._written:
            return _NOTHING
        logs = Logs(text=self._text(), truncated=self._missing > 0)
        self._reset()
        return logs

    def close(self) -> None:
        """Read what is left and close the pipe; `take` still gives what was written. Idempotent."""
        if self._closed:
            return
        self._drain()
        self._disarm()
        self._closed = True
        os.close(self._pipe)

    def _reset(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._written = 0

    @property
    def _missing(self) -> int:
        return max(0, self._written - 2 * self._half)

    def _text(self) -> str:
        if not self._missing:
            return (self._head + self._tail).decode(errors="replace")
        tail = self._tail[-self._half :]
        notice = f"\n[{self._missing} bytes are missing here: a run keeps the first and the last {self._half}]\n"
        return self._head.decode(errors="replace") + notice + tail.decode(errors="replace")

    def _readable(self) -> None:
        try:
            data = os.read(self._pipe, _READ)
        except BlockingIOError:
            return
        if data:
            self._keep(data)
        else:
            self._disarm()

    def _drain(self) -> None:
        """Read what is in the pipe now, and not what is written meanwhile. Most often that is nothing."""
        if self._closed:
            return
        count = fcntl.ioctl(self._pipe, termios.FIONREAD, _NO_COUNT)
        if count != _NO_COUNT:
            self._keep(os.read(self._pipe, min(int.from_bytes(count, sys.byteorder), _LAST_READ)))

    def _keep(self, data: bytes) -> None:
        self._written += len(data)
        if self._sink is not None:
            self._sink(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Cut rarely, so that a flood costs one copy of each byte and not many.
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def _disarm(self) -> None:
        if self._armed:
            self._armed = False
            self._loop.remove_reader(self._pipe)
