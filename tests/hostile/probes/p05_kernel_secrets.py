"""Reads what the kernel tells of itself and of the machine."""

import os

from attempts import attempt, read

FILES = (
    "/proc/kallsyms /proc/config.gz /proc/keys /proc/key-users /proc/timer_list /proc/sched_debug /proc/kcore /proc/kmsg "
    "/proc/interrupts /proc/kpagecount /proc/kpageflags /proc/vmallocinfo /proc/slabinfo /proc/iomem /proc/ioports "
    "/proc/modules /proc/diskstats /proc/partitions /proc/bus/pci/devices /proc/sysrq-trigger"
).split()
FOLDERS = ("/sys", "/sys/kernel", "/sys/class/net", "/sys/fs/cgroup", "/sys/devices", "/proc/scsi", "/proc/acpi")


def handler(event, context):
    found = {path: attempt(tells, path) for path in FILES}
    return found | {path: attempt(os.listdir, path) for path in FOLDERS}


def tells(path):
    # Without the privilege some of these give lines of zeros for addresses: nothing is told then.
    content = read(path, 4096)
    return content if content.strip(b"0 \n-") and not content.startswith(b"0000000000000000 ") else b""
