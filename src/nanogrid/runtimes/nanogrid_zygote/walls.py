"""The walls of the zygote, and what each sandbox has of its own behind them.

What is where comes from the platform, as a list of mounts; here is only how a mount is made. In the zygote's own view
`PLATFORM` holds what its forks need and take away from themselves before any code is there.
"""

import os
import resource
from _socket import AF_INET, SOCK_DGRAM, socket
from fcntl import ioctl

from nanogrid_zygote import kernel

#: Seen by the zygote, by no sandbox.
PLATFORM = "/platform"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
READ_ONLY = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV
PRIVATE = kernel.MS_NOSUID | kernel.MS_NODEV
#: The user that a function believes to be: nobody.
NOBODY = 65534


def enter_namespaces():
    """Become nobody in particular: the rights that this gives hold within the walls alone."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.unshare(kernel.NEW_USER | kernel.NEW_MOUNTS | kernel.NEW_NET | kernel.NEW_IPC | kernel.NEW_UTS)


def map_user(inside, user, group):
    """Show the one user that this process is under another number."""
    # A process that has changed its rights owns nothing in /proc, unless it says that it may be looked at.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {user} 1"),
        ("gid_map", f"{inside} {group} 1"),
    ):
        write(f"/proc/self/{name}", content)


def build(mounts, hostname):
    """Change into a root of its own, in which only these mounts are."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    # As bubblewrap does it: where the new root is made, and what it is made from, lie beside each other meanwhile.
    kernel.mount("tmpfs", "/tmp", "tmpfs", PRIVATE, "mode=0755")
    os.chdir("/tmp")
    for folder in ("old", "new"):
        os.mkdir(folder)
    kernel.pivot_root(".", "old")
    os.chdir("/")
    kernel.mount("tmpfs", "/new", "tmpfs", PRIVATE, "mode=0755")
    for kind, *what in mounts:
        MOUNTS[kind](*what)
    os.chdir("/new")
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir("/")
    # Memory as large as half the machine, unless it is closed.
    kernel.protect("/dev", READ_ONLY)
    kernel.protect("/", READ_ONLY)
    kernel.call("sethostname", hostname.encode(), len(hostname))


def bind_read_only(source, target):
    place(f"/old{source}", f"/new{target}")
    kernel.protect(f"/new{target}", READ_ONLY, recursive=True)


def bind_device(path):
    place(f"/old{path}", f"/new{path}")
    kernel.protect(f"/new{path}", kernel.ATTR_NOSUID)


def bind_as_it_is(source, target):
    place(f"/old{source}", f"/new{target}")


def place(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
    kernel.bind(source, target)


def make_folder(path):
    os.makedirs(f"/new{path}", exist_ok=True)


def make_memory(path):
    make_folder(path)
    kernel.mount("tmpfs", f"/new{path}", "tmpfs", PRIVATE, "mode=0755")


def make_link(target, path):
    os.symlink(target, f"/new{path}")


MOUNTS = {
    "bind": bind_read_only,
    "device": bind_device,
    "as-is": bind_as_it_is,
    "folder": make_folder,
    "memory": make_memory,
    "link": make_link,
}


def furnish(plan, slot):
    """Give this fork what is nobody else's, besides its network: mounts, and names of all kinds."""
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC | kernel.NEW_UTS | kernel.NEW_CGROUP)
    kernel.mount("proc", "/proc", "proc", PRIVATE | kernel.MS_NOEXEC)
    # Held open from before it is closed to writers, for `forbid_namespaces`.
    switches = os.open("/proc/sys/user", os.O_RDONLY | os.O_DIRECTORY)
    kernel.bind("/proc/sys", "/proc/sys")
    kernel.protect("/proc/sys", READ_ONLY, recursive=True)
    for file in plan["hidden_files"]:
        kernel.mount(f"{PLATFORM}/nothing", file, "", kernel.MS_BIND)
    for folder in plan["hidden_folders"]:
        kernel.mount("tmpfs", folder, "tmpfs", PRIVATE | kernel.MS_RDONLY, "mode=0755")
    for folder, size in plan["writable"]:
        kernel.mount("tmpfs", folder, "tmpfs", PRIVATE, f"mode=1777,size={size}")
    kernel.mount(
        "devpts", "/dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"
    )
    kernel.bind(f"{PLATFORM}/slots/{slot}/code", plan["code"])
    kernel.protect(plan["code"], READ_ONLY)
    kernel.unmount(PLATFORM)
    return switches


def enter_new_network():
    """Leave the network to whoever is in it, for one in which nobody is, and nothing but a loopback."""
    kernel.unshare(kernel.NEW_NET)
    # It sleeps until it is woken, and then has its usual addresses.
    any_socket = socket(AF_INET, SOCK_DGRAM)
    ioctl(any_socket.fileno(), SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + IFF_UP.to_bytes(24, "little"))
    any_socket.close()


def become_nobody(user):
    """Become the sandbox's own user, as which it has no right left, and be nobody in its own eyes."""
    if user is not None:
        os.setresuid(user, user, user)
    user, group = os.getuid(), os.getgid()
    kernel.unshare(kernel.NEW_USER)
    map_user(NOBODY, user, group)


def forbid_namespaces(switches):
    """A namespace of its own would give a function rights, and with them most of the kernel's attack surface."""
    switch = os.open("max_user_namespaces", os.O_WRONLY, dir_fd=switches)
    os.write(switch, b"0")
    os.close(switch)
    os.close(switches)


def limit(limits):
    """Set the hard limits, never above what they are."""
    for name, most in limits.items():
        kind = getattr(resource, name)
        _, ceiling = resource.getrlimit(kind)
        allowed = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(kind, (allowed, allowed))


def write(path, content):
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, content.encode())
    finally:
        os.close(file)
