"""Traces, reads and writes other processes: a child, process 1, the process above."""

import ctypes
import os
import signal

from attempts import attempt, call, opens_for_writing

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206


def handler(event, context):
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        return reached("child", child) | reached("process 1", 1) | reached("parent", os.getppid()) | memory()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def memory():
    """A child's memory is its own, another's is not."""
    files = ("/proc/1/mem", "/proc/1/task/1/mem", f"/proc/{os.getppid()}/mem")
    return {path: attempt(opens_for_writing, path) for path in files}


def reached(name, pid):
    word = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(word), 8)
    here = ctypes.addressof(vector)
    return {
        f"attach to {name}": call("ptrace", PTRACE_ATTACH, pid, 0, 0),
        f"seize {name}": call("ptrace", PTRACE_SEIZE, pid, 0, 0),
        f"read {name}": call("process_vm_readv", pid, here, 1, here, 1, 0),
        f"write {name}": call("process_vm_writev", pid, here, 1, here, 1, 0),
        f"descriptors of {name}": attempt(descriptor_of, pid),
        f"compare {name}": call("kcmp", pid, os.getpid(), 0, 0, 0),
    }


def descriptor_of(pid):
    descriptor = os.pidfd_open(pid)
    result = call("pidfd_getfd", descriptor, 0, 0)
    os.close(descriptor)
    return "" if result.startswith("no") else result
