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
    """Every place where something is mounted: within one mount it is the same everywhere."""
    with open("/proc/self/mountinfo") as file:
        places = [line.split()[4] for line in file]
    own = ("/tmp", "/dev/shm")
    return [place for place in places if place not in own and attempt(creates, place + "/planted").startswith("yes")]
