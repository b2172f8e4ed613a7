"""Looks for the platform's settings in the environment of every process it sees, above all of process 1."""

import os

from attempts import DOCUMENTED, attempt


def handler(event, context):
    return {pid: attempt(names, pid) for pid in os.listdir("/proc") if pid.isdigit()}


def names(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        found = [entry.split(b"=")[0].decode() for entry in file.read().split(b"\0") if entry]
    return [name for name in found if name not in DOCUMENTED]
