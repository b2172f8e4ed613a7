"""Frames over the control socket; `docs/runtime-protocol.md` says what they mean."""

import os

LOAD, INVOKE = 1, 2
READY, LOADED, RESULT = 16, 17, 18

#: Exit code where the platform does not keep to the protocol (EX_SOFTWARE).
PROTOCOL_BROKEN = 70
HEADER_BYTES = 5
READ_AT_ONCE = 64 * 1024


class ProtocolBroken(Exception):
    """Raised when the platform sends what nobody expects here."""


class Channel:
    """One frame in, one frame out. Children that the function starts do not inherit the socket."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)
        os.set_blocking(fd, True)
        self._fd = fd
        self._rest = b""
        self._read, self._readv, self._write = os.read, os.readv, os.write

    def expect(self, kind):
        """The payload of the next frame; None when the platform has gone. Raises ProtocolBroken for another kind."""
        frame = self._receive()
        if frame is None:
            return None
        if frame[4] != kind:
            raise ProtocolBroken(f"the platform sent a frame of kind {frame[4]} where only kind {kind} may come")
        return frame[HEADER_BYTES:]

    def send(self, kind, payload):
        """Write a whole frame, mostly with one call."""
        frame = (len(payload) + 1).to_bytes(4, "big") + bytes((kind,)) + payload
        sent = self._write(self._fd, frame)
        while sent < len(frame):
            sent += self._write(self._fd, memoryview(frame)[sent:])

    def _receive(self):
        data = self._rest
        while len(data) < HEADER_BYTES:
            more = self._read(self._fd, READ_AT_ONCE)
            if not more:
                return None
            data += more
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            data = self._complete(data, end)
        self._rest = data[end:]
        return data[:end]

    def _complete(self, data, end):
        """The rest of a large frame, read in place."""
        frame = bytearray(end)
        frame[: len(data)] = data
        view, filled = memoryview(frame), len(data)
        while filled < end:
            count = self._readv(self._fd, [view[filled:]])
            if not count:
                raise ProtocolBroken("the connection ended in the middle of a frame")
            filled += count
        return frame


def run_to_end(serve, fd, exit_now=os._exit, write=os.write):
    """Serve until the platform goes, and end the process with the code that `serve` returns.

    Never through the interpreter's own end: threads and exit functions of the function could hold that up.
    """
    code = PROTOCOL_BROKEN
    try:
        code = serve(Channel(fd))
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the platform has gone: nobody is left to be told
    except ProtocolBroken as exc:
        write(2, f"runtime: {exc}\n".encode())
    finally:
        exit_now(code & 0xFF)
