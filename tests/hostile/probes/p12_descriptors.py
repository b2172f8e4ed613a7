"""Lists the descriptors it was born with, to find one that leads out."""

import os
import stat

from attempts import attempt

ALLOWED = (("null device", 1), ("pipe", 2), ("socket", 1))


def handler(event, context):
    folder = os.open("/proc/self/fd", os.O_RDONLY)
    kinds = [kind(int(name)) for name in os.listdir(folder) if int(name) != folder]
    found = {"too many " + name: surplus(kinds.count(name), most) for name, most in ALLOWED}
    foreign = [name for name in kinds if name not in dict(ALLOWED)]
    return found | {"foreign": attempt(lambda: foreign)}


def surplus(count, most):
    return f"yes: {count}" if count > most else f"no: {count}"


def kind(descriptor):
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return "socket"
    if os.readlink(f"/proc/self/fd/{descriptor}") == "/dev/null":
        return "null device"
    return (
        "pipe"
        if stat.S_ISFIFO(mode)
        else "socket"
        if stat.S_ISSOCK(mode)
        else os.readlink(f"/proc/self/fd/{descriptor}")
    )
