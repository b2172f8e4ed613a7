"""Writes where no limit would hold: the root, /dev, and every other folder but /tmp and /dev/shm."""

import os

from attempts import attempt, creates

PLACES = ("/", "/dev", "/dev/pts", "/run", "/var", "/var/tmp", "/opt", "/mnt", "/proc", "/sys", "/etc", "/home", "/nanogrid")


def handler(event, context):
    named = {place: attempt(creates, os.path.join(place, "planted")) for place in PLACES}
    return named | {"any other": attempt(writable)}


def writable():
    own = ("/tmp", "/dev/shm", "/proc", "/sys")
    return [
        folder
        for folder, folders, files in os.walk("/")
        if not folder.startswith(own) and os.access(folder, os.W_OK) and "yes" in attempt(creates, folder + "/planted")
    ]
