"""The system calls that Python has no name for. Only the zygote uses them; in a sandbox most are forbidden."""

import ctypes
import os
from _signal import SIGCHLD

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
NEW_MOUNTS, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
CLONE_PARENT = 0x8000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_SECCOMP = 1, 4, 15, 22
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
SECCOMP_MODE_FILTER = 2
AT_RECURSIVE = 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
#: Version 3 of capset: 64 bits.
CAPABILITY_VERSION = 0x20080522
CLONE, PIVOT_ROOT = {"x86_64": (56, 155), "aarch64": (220, 41)}[os.uname().machine]
MOUNT_SETATTR = 442

# The variant that keeps the interpreter's lock: a fork must not come back to another thread's turn.
libc = ctypes.PyDLL(None, use_errno=True)


def call(name, *arguments):
    """Call libc. Raises OSError that says what was tried."""
    result = getattr(libc, name)(*(ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")
    return result


def mount(source, target, kind, flags, options=""):
    call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode())


def bind(source, target):
    mount(source, target, "", MS_BIND | MS_REC)


def protect(target, attributes, *, recursive=False):
    """Take rights away from a mount, and from those below it."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    call("syscall", MOUNT_SETATTR, ctypes.c_int(-100), target.encode(), flags, wanted, ctypes.sizeof(wanted))


def unmount(target):
    call("umount2", target.encode(), MNT_DETACH)


def pivot_root(new, old):
    call("syscall", PIVOT_ROOT, new.encode(), old.encode())


def unshare(namespaces):
    call("unshare", namespaces)


def prctl(option, *arguments):
    call("prctl", option, *(*arguments, 0, 0, 0, 0)[:4])


def drop_bounding_set():
    """Whatever is started from now on can't get a right back."""
    drop = ctypes.PyDLL(None).prctl
    drop.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    # Ends where the kernel knows no more of them; called some forty times for each sandbox, so without detours.
    number = 0
    while drop(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1


def fork_first(namespaces):
    """Fork a sibling, the first process of a new pid namespace; returns its pid here, and 0 in it.

    As a sibling it is a child of who started this process: that one sees how it ends, and it outlives this process.
    """
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = libc.syscall(*map(ctypes.c_ulong, (CLONE, namespaces | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone: {os.strerror(number)}")
    return pid


def drop_capabilities():
    """Give up every right, for ever."""
    drop_bounding_set()
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    call("capset", (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())


def set_filter(instructions):
    """From now on every system call passes through this program; so do those of all children."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    program = (ctypes.c_uint64 * 2)(len(instructions) // 8, ctypes.addressof(code))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)
