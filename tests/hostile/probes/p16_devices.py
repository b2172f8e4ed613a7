"""Opens the machine's memory and disks, by name and by nodes of its own making."""

import os
import stat

from attempts import attempt, did

NAMES = "mem kmem kmsg port sda vda nvme0n1 loop-control kvm fuse net/tun vhost-net userfaultfd hpet rtc0 autofs btrfs-control".split()
HARMLESS = set("null zero full random urandom tty pts ptmx shm stdin stdout stderr fd core mqueue console".split())


def handler(event, context):
    found = {name: attempt(os.open, "/dev/" + name, os.O_RDONLY) for name in NAMES}
    return found | {
        "unknown in /dev": attempt(lambda: sorted(set(os.listdir("/dev")) - HARMLESS)),
        "make a disk": did(os.mknod, "/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)),
        "make the memory": did(os.mknod, "/tmp/memory", 0o600 | stat.S_IFCHR, os.makedev(1, 1)),
        "make a disk in /dev/shm": did(os.mknod, "/dev/shm/disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0)),
    }
