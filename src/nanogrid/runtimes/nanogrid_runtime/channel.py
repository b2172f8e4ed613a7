"""Frames over the control socket; `docs/runtime-protocol.md` says what they mean."""

import os

from nanogrid_runtime.values import decode

LOAD, INVOKE, GO = 1, 2, 3
READY, LOADED, RESULT, ARTIFACT, PART = 16, 17, 18, 19, 20

#: Exit code where the platform does not keep to the protocol (EX_SOFTWARE).
PROTOCOL_BROKEN = 70
HEADER_BYTES = 5
READ_AT_ONCE = 64 * 1024
EVENT = b',"event":'


class ProtocolBroken(Exception):
    """Raised when the platform sends what nobody expects here."""


class Channel:
    """One frame in, one frame out, in turns. Children that the function starts do not inherit the socket."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)
        os.set_blocking(fd, True)
        self._fd = fd
        self._read, self._readv, self._write = os.read, os.readv, os.write

    def expect(self, kind):
        """The payload of the next frame, which must be of that kind; None when the platform has gone."""
        data = b""
        while len(data) < HEADER_BYTES:
            more = self._read(self._fd, READ_AT_ONCE)
            if not more:
                return None
            data += more
        end = 4 + int.from_bytes(data[:4], "big")
        if data[4] != kind or len(data) > end:
            raise ProtocolBroken(f"the platform sent a frame of kind {data[4]} where only one of kind {kind} may come")
        return data[HEADER_BYTES:] if len(data) == end else self._complete(data, end)

    def send(self, kind, payload):
        """Write a whole frame, mostly with one call."""
        frame = (len(payload) + 1).to_bytes(4, "big") + bytes((kind,)) + payload
        sent = self._write(self._fd, frame)
        while sent < len(frame):
            sent += self._write(self._fd, memoryview(frame)[sent:])

    def _complete(self, data, end):
        """The payload of a frame that one read did not bring, read in place."""
        frame = bytearray(end)
        frame[: len(data)] = data
        view, filled = memoryview(frame), len(data)
        while filled < end:
            count = self._readv(self._fd, [view[filled:]])
            if not count:
                raise ProtocolBroken("the connection ended in the middle of a frame")
            filled += count
        return view[HEADER_BYTES:]


def split(payload):
    """The call without its event, and the event as it stands: the last member, which is not read here."""
    payload = bytes(payload)
    at = payload.find(EVENT)
    if at < 0:
        raise ProtocolBroken("the platform sent an INVOKE that cannot be read")
    return decode(payload[:at] + b"}"), memoryview(payload)[at + len(EVENT) : -1]


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
    except BaseException as exc:  # the top: a signal handler or a patch of the function's can raise anything, anywhere
        write(2, f"runtime: {type(exc).__name__}: {exc}\n".encode("utf-8", "backslashreplace"))
    finally:
        exit_now(code & 0xFF)
