"""Lists the descriptors it was born with, to find one that leads out."""

import os
import stat

ALLOWED = {"null device": 1, "pipe": 2, "socket": 1}


def handler(event, context):
    kinds = [kind(descriptor) for descriptor in range(1024) if is_open(descriptor)]
    return {
        name: f"{'no' if kinds.count(name) <= ALLOWED.get(name, 0) else 'yes'}: {kinds.count(name)}" for name in kinds
    }


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def kind(descriptor):
    mode, target = os.fstat(descriptor).st_mode, os.readlink(f"/proc/self/fd/{descriptor}")
    if target == "/dev/null":
        return "null device"
    return "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else target
