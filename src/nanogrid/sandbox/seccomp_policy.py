"""What a function may ask of the kernel: the policy of both sandboxes, as data.

Every system call in `syscall_numbers` is allowed unless it is named here; a number that is not in that list, be it
newer than the list or made up, fails with ENOSYS. So the list is closed, and programs see what they would see on an
older kernel and fall back, as C libraries do.

The walls are the namespaces, the empty capability set and the absence of privilege; this filter takes away what
still reaches deep into the kernel from there, and nothing that an ordinary program needs.
"""

import errno
from typing import NamedTuple


class Match(NamedTuple):
    """Whether `argument & mask == value`, on the low 32 bits.

    The kernel reads each argument named below as a 32-bit number. To look at the upper half as well would let
    a forbidden value pass that has rubbish there.
    """

    argument: int
    value: int
    mask: int = 0xFFFF_FFFF


class Refusal(NamedTuple):
    """Calls that fail, with which error, and why."""

    error: int
    why: str
    names: str


class Condition(NamedTuple):
    """A call that depends on its arguments; where it is not allowed, it fails with EPERM.

    `only`: allowed where all matches of one of these hold. `never`: refused where one of these holds. One is empty.
    """

    why: str
    only: tuple[tuple[Match, ...], ...] = ()
    never: tuple[Match, ...] = ()


REFUSED = (
    Refusal(
        errno.EPERM,
        "changes or reveals what is mounted",
        "mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr "
        "mount_setattr statmount listmount quotactl quotactl_fd",
    ),
    Refusal(errno.EPERM, "makes or enters namespaces", "unshare setns"),
    Refusal(errno.ENOSYS, "flags lie in memory, out of a filter's sight; libraries fall back to clone", "clone3"),
    Refusal(
        errno.EPERM,
        "reads, stops or changes other processes",
        "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp",
    ),
    Refusal(
        errno.EPERM,
        "large and often broken parts of the kernel",
        "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register fanotify_init fanotify_mark",
    ),
    Refusal(errno.EPERM, "keys are not kept apart by namespaces", "add_key request_key keyctl"),
    Refusal(errno.EPERM, "opens files past the mounts", "open_by_handle_at name_to_handle_at"),
    Refusal(
        errno.EPERM,
        "belongs to the machine",
        "kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct syslog vhangup "
        "sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime iopl ioperm modify_ldt",
    ),
    Refusal(errno.EPERM, "memory that not even the kernel sees can't be accounted for", "memfd_secret"),
    # libnuma takes ENOSYS as "this machine has no NUMA" and goes on.
    Refusal(
        errno.ENOSYS,
        "placing memory is the machine's business",
        "mbind set_mempolicy get_mempolicy set_mempolicy_home_node migrate_pages move_pages",
    ),
    # Error 0 makes the call succeed and do nothing. What is writable inside lives in memory; all that these could
    # do is to make everybody wait for the machine's disks.
    Refusal(0, "flushes the whole machine", "sync syncfs"),
    Refusal(
        errno.ENOSYS,
        "gone, or never was",
        "uselib ustat sysfs _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall "
        "tuxcall security set_thread_area get_thread_area epoll_ctl_old epoll_wait_old vserver lookup_dcookie "
        "remap_file_pages lsm_set_self_attr",
    ),
)

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_STREAM, _DATAGRAM, _SEQPACKET = 1, 2, 5
_TCP, _UDP = 6, 17
#: The low bits of a socket's type; above them are flags such as close-on-exec.
_TYPE_MASK = 0xF
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
_NEW_NAMESPACES = 0x7E02_0000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


def _internet(kind: int, protocols: tuple[int, ...]) -> tuple[tuple[Match, ...], ...]:
    return tuple(
        (Match(0, family), Match(1, kind, _TYPE_MASK), Match(2, protocol))
        for family in (_AF_INET, _AF_INET6)
        for protocol in protocols
    )


CONDITIONS = {
    "socket": Condition(
        "Unix sockets, TCP and UDP; no raw sockets, no netlink, vsock, packet, AF_ALG, SCTP and the like",
        only=(
            *((Match(0, _AF_UNIX), Match(1, kind, _TYPE_MASK)) for kind in (_STREAM, _DATAGRAM, _SEQPACKET)),
            *_internet(_STREAM, (0, _TCP)),
            *_internet(_DATAGRAM, (0, _UDP)),
        ),
    ),
    "socketpair": Condition("pairs of Unix sockets", only=((Match(0, _AF_UNIX),),)),
    "clone": Condition("processes and threads, but no namespaces", only=((Match(0, 0, _NEW_NAMESPACES),),)),
    "personality": Condition(
        "the ordinary one, and asking for it; addresses stay random", only=((Match(0, 0),), (Match(0, 0xFFFF_FFFF),))
    ),
    "ioctl": Condition("no typing into terminals", never=(Match(1, _TIOCSTI), Match(1, _TIOCLINUX))),
}
