"""Mounts, unmounts and changes its root, by every system call that could."""

from attempts import call, calls

MS_BIND, MS_REMOUNT, MNT_DETACH = 4096, 32, 2
AT_FDCWD = 2**64 - 100


def handler(event, context):
    named = calls("pivot_root", "fsconfig", "fsmount", "move_mount", "mount_setattr", "open_tree_attr")
    return named | {
        "mount a tmpfs": call("mount", b"none", b"/tmp", b"tmpfs", 0, 0),
        "mount the root again": call("mount", b"/", b"/tmp", 0, MS_BIND, 0),
        "make it writable": call("mount", 0, b"/usr", 0, MS_REMOUNT | MS_BIND, 0),
        "unmount /proc": call("umount2", b"/proc", MNT_DETACH),
        "chroot": call("chroot", b"/tmp"),
        "fsopen": call("fsopen", b"tmpfs", 0),
        "fspick": call("fspick", AT_FDCWD, b"/", 0),
        "open_tree": call("open_tree", AT_FDCWD, b"/", 1),
    }
