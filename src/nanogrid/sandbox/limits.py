"""What one sandbox may take of the machine, and the kernel's limits that hold it to that, set from outside."""

import contextlib
import resource

from nanogrid.model import Record
from nanogrid.sandbox import processes

_MB = 1024 * 1024


class Limits(Record, frozen=True, kw_only=True):
    """The same for every sandbox; the limit on memory is the function's own and comes later."""

    #: Processes and threads at once, the runtime's own among them.
    max_processes: int = 64
    #: Open files of one process.
    max_open_files: int = 1024
    #: Largest file that can be written, in bytes.
    max_file_bytes: int = 512 * _MB
    #: What fits into /tmp, in bytes; it is memory, and counts as such where there is a cgroup.
    tmp_bytes: int = 512 * _MB
    #: What fits into /dev/shm, in bytes.
    shm_bytes: int = 64 * _MB


def confine(pid: int, limits: Limits, *, count_processes: bool) -> None:
    """Set the limits of a runtime that has not seen code yet; what it starts inherits them.

    `count_processes` is False where the runtime shares its user with others, because the kernel counts per user then.
    Raises `ProcessLookupError` where it is gone.
    """
    hard = {
        resource.RLIMIT_NOFILE: limits.max_open_files,
        resource.RLIMIT_FSIZE: limits.max_file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    if count_processes:
        hard[resource.RLIMIT_NPROC] = limits.max_processes
    for kind, most in hard.items():
        _lower(pid, kind, most)


def confine_memory(pid: int, memory_bytes: int) -> None:
    """Let the process take so much more than it has already, for where no cgroup guards the memory.

    Counts what it allocates (RLIMIT_DATA), not its addresses: node reserves far more of those than it ever uses.
    """
    with contextlib.suppress(ProcessLookupError):
        _lower(pid, resource.RLIMIT_DATA, processes.private_data_bytes(pid) + memory_bytes)


def _lower(pid: int, kind: int, most: int) -> None:
    _, ceiling = resource.prlimit(pid, kind)
    if ceiling != resource.RLIM_INFINITY:
        most = min(most, ceiling)
    resource.prlimit(pid, kind, (most, most))
