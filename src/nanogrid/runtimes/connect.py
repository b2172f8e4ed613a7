"""Starts a runtime in a container: `python3 -I -S -B connect.py SOCKET PROGRAM ARGUMENT…`.

A container inherits no descriptors. So the platform waits behind a Unix socket that only this container sees, and hands
over the runtime's end of the control socket and of the output pipe. Then this process becomes the runtime.
"""

import os
import sys
from _socket import AF_UNIX, CMSG_SPACE, SOCK_STREAM, socket

CONTROL = 3
INT_BYTES = 4


def receive(path):
    """The two descriptors: control, output."""
    door = socket(AF_UNIX, SOCK_STREAM)
    door.connect(path)
    _, messages, _, _ = door.recvmsg(1, CMSG_SPACE(2 * INT_BYTES))
    door.close()
    ((_, _, numbers),) = messages
    return memoryview(numbers).cast("i").tolist()


def main(path, program, *arguments):
    control, output = receive(path)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(control, CONTROL)
    os.set_inheritable(CONTROL, True)  # where it had that number already, dup2 did nothing
    os.closerange(CONTROL + 1, 64)
    # Whoever reads the environment of the runtime's process finds nothing of the image.
    os.execve(find(program), [program, *arguments, str(CONTROL)], {})


def find(program):
    """Where it is on the PATH of the image."""
    paths = (os.path.join(folder, program) for folder in os.get_exec_path())
    return next(path for path in paths if os.access(path, os.X_OK))


if __name__ == "__main__":
    main(*sys.argv[1:])
