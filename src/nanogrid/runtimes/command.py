"""Programs from the archive: `python3 -I -S -B command.py FD` inside a sandbox, under Python 3.8 to 3.14.

`command`: the handler is an executable. It is started once per run: event on stdin, output on stdout, logs on stderr.
`provided`: the archive brings its own runtime, `bootstrap`, which stays and asks Lambda's Runtime API for events.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from nanogrid_runtime.channel import INVOKE, LOAD, LOADED, READY, RESULT, ProtocolBroken, run_to_end
from nanogrid_runtime.child import watch_children
from nanogrid_runtime.command import load
from nanogrid_runtime.process import adopt_orphans
from nanogrid_runtime.values import decode

del sys.path[0]


def start(order, ended, channel):
    """The function, or None; and the error as JSON, or None."""
    if order.get("runtime") != "provided":
        return load(order, ended, channel)
    # Only now: an HTTP server takes 30 ms to import.
    from nanogrid_runtime import provided

    return provided.load(order, channel)


def serve(channel):
    """READY, LOAD, LOADED, then RESULT for INVOKE until the platform goes. Returns the exit code."""
    ended = watch_children()
    channel.send(READY, b"{}")
    adopt_orphans()
    order = channel.expect(LOAD)
    if order is None:
        return 0
    command, error = start(decode(order), ended, channel)
    channel.send(LOADED, b"{}" if error is None else b'{"error":%s}' % error)
    while (call := channel.expect(INVOKE)) is not None:
        if command is None:
            raise ProtocolBroken("the platform sent an INVOKE though there is no command")
        channel.send(RESULT, command.answer(call))
    return 0


if __name__ == "__main__":
    run_to_end(serve, int(sys.argv[1]))
