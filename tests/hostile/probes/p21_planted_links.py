"""Leaves links, pipes and devices for the platform to follow."""

import os
import stat

from attempts import attempt, did, read


def handler(event, context):
    os.makedirs("/tmp/output", exist_ok=True)
    for name, target in (
        ("passwd", "/etc/passwd"),
        ("root", "/proc/1/root/etc/shadow"),
        ("code", os.path.dirname(__file__)),
    ):
        if not os.path.lexists("/tmp/output/" + name):
            os.symlink(target, "/tmp/output/" + name)
    own = os.path.join(os.path.dirname(__file__), "planted")
    return {
        "passwd through the link": attempt(read, "/tmp/output/passwd"),
        "shadow through process 1": attempt(read, "/tmp/output/root"),
        "link in its code": did(os.symlink, "/etc/passwd", own),
        "pipe in its code": did(os.mkfifo, own),
        "hard link to its code": did(os.link, __file__, "/tmp/output/hard"),
        "hard link to a program": did(os.link, os.path.realpath("/bin/sh"), "/tmp/output/sh"),
        "disk": did(os.mknod, "/tmp/output/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)),
    }
