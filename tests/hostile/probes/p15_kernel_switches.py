"""Opens the kernel's switches for writing: what runs at a crash, caches, control groups, user maps."""

import os

from attempts import attempt, opens_for_writing

FILES = (
    "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname /proc/sys/kernel/randomize_va_space "
    "/proc/sys/kernel/ns_last_pid /proc/sys/kernel/shmmax /proc/sys/vm/drop_caches /proc/sys/vm/overcommit_memory "
    "/proc/sys/net/ipv4/ip_forward /proc/sys/user/max_user_namespaces /proc/sys/fs/binfmt_misc/register "
    "/proc/sysrq-trigger /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups /proc/1/uid_map "
    "/proc/self/timens_offsets /proc/irq/0/smp_affinity /proc/mtrr /proc/acpi/wakeup /sys/fs/cgroup/cgroup.procs "
    "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/release_agent /sys/kernel/uevent_helper /sys/power/state"
).split()
# The kernel lets anybody open these of his own process and refuses what is written.
REFUSED_WHEN_WRITTEN = {
    "/proc/self/uid_map": b"0 0 1",
    "/proc/1/uid_map": b"0 0 1",
    "/proc/self/gid_map": b"0 0 1",
    "/proc/self/setgroups": b"allow",
    "/proc/self/timens_offsets": b"monotonic 9 0",
}


def handler(event, context):
    return {path: attempt(changes, path) for path in FILES}


def changes(path):
    if path not in REFUSED_WHEN_WRITTEN:
        return opens_for_writing(path)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return os.write(descriptor, REFUSED_WHEN_WRITTEN[path])
    finally:
        os.close(descriptor)
