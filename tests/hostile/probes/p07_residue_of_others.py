"""Looks for what earlier functions left: files, shared memory, sockets."""

import os

from attempts import attempt


def handler(event, context):
    return {
        "/tmp": attempt(in_tmp),
        "/var/tmp": attempt(os.listdir, "/var/tmp"),
        "/dev/shm": attempt(os.listdir, "/dev/shm"),
        "/dev/mqueue": attempt(os.listdir, "/dev/mqueue"),
        "Unix sockets": attempt(lines, "/proc/net/unix", "@"),
        "shared memory": attempt(lines, "/proc/sysvipc/shm", ""),
        "message queues": attempt(lines, "/proc/sysvipc/msg", ""),
        "semaphores": attempt(lines, "/proc/sysvipc/sem", ""),
        "processes": attempt(strangers),
    }


def in_tmp():
    """What lies there, besides the folder that each run is given, and finds empty."""
    given = os.listdir("/tmp/output") if os.path.isdir("/tmp/output") else []
    return [name for name in os.listdir("/tmp") if name != "output"] + given


def lines(path, mark):
    with open(path) as file:
        return [line for line in file.read().splitlines()[1:] if mark in line]


def strangers():
    known = (1, os.getpid(), os.getppid())
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in known]
