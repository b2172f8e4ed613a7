"""The platform's end of the control socket: one order out, one answer in, nothing else.

What comes from a sandbox is hostile. Whatever nobody has asked for ends the channel: from then on every question is
answered with the reason, and nothing more is read.
"""

import asyncio
import socket

from nanogrid import wire
from nanogrid.wire import Frame

# Kinds that no byte can be, for what is told by the channel and not by the runtime.
#: The stream has ended: the runtime is gone, or has closed its side.
ENDED = 257
#: No answer came in time.
EXPIRED = 258
#: Something came that nobody had asked for.
STRAY = 259
#: What came can't be what was asked for.
BROKEN = 260
#: More came than may.
FLOODED = 261


class Channel:
    """Frames over a non-blocking stream socket, without a task or a copy of its own on the way."""

    def __init__(self, stream: socket.socket) -> None:
        """Owns the socket from now on, and reads it at once: its end is noticed while nobody asks anything."""
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._fd = stream.fileno()
        self._reader = wire.FrameReader()
        self._waiter: asyncio.Future[Frame] | None = None
        self._unsent: memoryview | None = None
        #: When the present answer is due. The timer may ring earlier: it is left alone when an answer has come in time,
        #: because most do, and setting a timer for each would cost more than looking once in a while.
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        #: Why nothing more can come; None while all is well.
        self._verdict: Frame | None = None
        self._loop.add_reader(self._fd, self._readable)

    @property
    def quiet(self) -> bool:
        """Whether the stream is open and has carried nothing but answers."""
        return self._verdict is None

    def expect(self) -> asyncio.Future[Frame]:
        """The next frame, from now on; any that comes while none is expected is a stray."""
        answer: asyncio.Future[Frame] = self._loop.create_future()
        if self._verdict is None:
            self._waiter = answer
        else:
            answer.set_result(self._verdict)
        return answer

    async def exchange(self, order: bytearray, timeout_s: float) -> Frame:
        """Send a whole frame and return the answer; both within the time."""
        answer = self.expect()
        if self._verdict is None:
            self._send(order)
        return await self.wait(answer, timeout_s)

    async def wait(self, answer: asyncio.Future[Frame], timeout_s: float) -> Frame:
        """The expected frame, or one of kind `EXPIRED`, `ENDED`, `STRAY` or `wire.REFUSED`."""
        due = self._due = self._loop.time() + timeout_s
        if self._timer is None or self._timer_at > due:
            self._set_timer(due)
        return await answer

    def close(self) -> None:
        """Read no more and close the socket; who still waits is told that the stream has ended. Idempotent."""
        self._conclude(ENDED)
        self._stream.close()

    def _send(self, order: bytearray) -> None:
        try:
            sent = self._stream.send(order)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._conclude(ENDED)
            return
        if sent < len(order):
            self._unsent = memoryview(order)[sent:]
            self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        if self._unsent is None:
            return
        try:
            self._unsent = self._unsent[self._stream.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._conclude(ENDED)
            return
        if not self._unsent:
            self._unsent = None
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            data = self._stream.recv(self._reader.wants)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._conclude(ENDED)
            return
        for frame in self._reader.feed(data):
            self._deliver(frame)
        if self._waiter is None and self._reader.held:
            self._conclude(STRAY)

    def _deliver(self, frame: Frame) -> None:
        if frame[0] == wire.REFUSED:
            self._conclude(*frame)
        elif self._waiter is None:
            self._conclude(STRAY)
        else:
            self._answer(frame)
            # An answer to an order that has not been read to its end: the next one would begin inside this one.
            if self._unsent is not None:
                self._conclude(STRAY)

    def _answer(self, frame: Frame) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(frame)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._ring), at

    def _ring(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._timer_at < self._due:
            self._set_timer(self._due)
            return
        # Where the loop was busy at the time, the answer may lie in the socket.
        if self._verdict is None:
            self._readable()
        if not waiter.done():
            waiter.set_result((EXPIRED, b""))

    def _conclude(self, kind: int, payload: bytes | memoryview = b"") -> None:
        if self._verdict is not None:
            return
        self._verdict = (kind, payload)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unsent = None
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._answer(self._verdict)
