"""Reads what the kernel tells of itself and of the machine."""

import os

from attempts import attempt, read

FILES = (
    "/proc/kallsyms /proc/config.gz /proc/keys /proc/key-users /proc/timer_list /proc/sched_debug /proc/kcore /proc/kmsg "
    "/proc/interrupts /proc/kpagecount /proc/kpageflags /proc/vmallocinfo /proc/slabinfo"
).split()
FOLDERS = ("/sys", "/sys/kernel", "/sys/class/net", "/sys/fs/cgroup", "/sys/devices", "/proc/scsi", "/proc/acpi")


def handler(event, context):
    found = {path: attempt(read, path, 4096) for path in FILES}
    return found | {path: attempt(os.listdir, path) for path in FOLDERS}
