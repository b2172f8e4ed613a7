"""Makes namespaces, in which it would be root, and enters others."""

import os
import signal

from attempts import attempt, call

KINDS = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000}
KINDS |= {"pid": 0x20000000, "net": 0x40000000, "user and mount": 0x10020000}


def handler(event, context):
    found = {"unshare " + kind: call("unshare", flag) for kind, flag in KINDS.items()}
    found |= {"clone " + kind: clone(flag) for kind, flag in KINDS.items()}
    found |= {"enter " + kind: attempt(enter, kind) for kind in ("mnt", "net", "user", "pid")}
    return found | {"clone3": call("clone3", 0, 0)}


def clone(flag):
    result = call("clone", flag | signal.SIGCHLD, 0, 0, 0, 0)
    if result == "yes: 0":
        os._exit(0)
    return result


def enter(kind):
    descriptor = os.open(f"/proc/1/ns/{kind}", os.O_RDONLY)
    result = call("setns", descriptor, 0)
    return "" if result.startswith("no") else result
