"""The Python runtime: `python3 -I -S -B python.py FD` inside a sandbox, under Python 3.8 to 3.14."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from nanogrid_runtime.channel import INVOKE, LOAD, LOADED, READY, RESULT, ProtocolBroken, run_to_end
from nanogrid_runtime.function import load
from nanogrid_runtime.process import adopt_orphans
from nanogrid_runtime.streams import RootLogging, Streams
from nanogrid_runtime.values import decode

del sys.path[0]


def serve(channel):
    """READY, LOAD, LOADED, then RESULT for INVOKE until the platform goes. Returns the exit code."""
    streams, logs, pid = Streams(), RootLogging(), os.getpid()
    channel.send(READY, b"{}")
    adopt_orphans()
    order = channel.expect(LOAD)
    if order is None:
        return 0
    function, error = load(decode(order), streams, logs, channel)
    streams.flush()
    if os.getpid() != pid:
        return 0  # a child that the import forked came back: the answer is its parent's
    channel.send(LOADED, b"{}" if error is None else b'{"error":%s}' % error)
    while (call := channel.expect(INVOKE)) is not None:
        if function is None:
            raise ProtocolBroken("the platform sent an INVOKE though the code could not be loaded")
        channel.send(RESULT, function.answer(call))
        if function.exit_code is not None:
            return function.exit_code
    return 0


if __name__ == "__main__":
    run_to_end(serve, int(sys.argv[1]))
