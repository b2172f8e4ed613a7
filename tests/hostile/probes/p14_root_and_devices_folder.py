"""Writes where no limit would hold: the root, /dev, and every other folder but /tmp and /dev/shm."""

import os

from attempts import attempt, creates

PLACES = (
    "/",
    "/dev",
    "/dev/pts",
    "/run",
    "/var",
    "/var/tmp",
    "/opt",
    "/mnt",
    "/proc",
    "/sys",
    "/etc",
    "/home",
    "/nanogrid",
)


def handler(event, context):
    named = {place: attempt(creates, os.path.join(place, "planted")) for place in PLACES}
    return named | {"any other": attempt(writable)}


def writable():
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [
            name for name in folders if os.path.join(folder, name) not in ("/tmp", "/dev/shm", "/proc", "/sys")
        ]
        if os.access(folder, os.W_OK) and attempt(creates, folder + "/planted").startswith("yes"):
            found.append(folder)
    return found
