"""What one sandbox may take of the machine, and the kernel's limits that hold it to that, set from outside."""

import contextlib
import resource

from nanogrid.model import Record
from nanogrid.sandbox import processes
from nanogrid.sandbox.identities import Identity, as_real_user

_MB = 1024 * 1024
#: Each thread's stack counts in full as allocated, though hardly any of it is ever touched: room for 64 of them.
_STACKS = 64 * 8 * _MB


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


def confine(pid: int, limits: Limits, identity: Identity | None, *, count_processes: bool) -> None:
    """Set the limits of a runtime that has not seen code yet; what it starts inherits them.

    `identity` is the runtime's user. `count_processes` is False where it shares that user with others, because the
    kernel counts per user then. Raises `OSError`.
    """
    hard = {
        resource.RLIMIT_NOFILE: limits.max_open_files,
        resource.RLIMIT_FSIZE: limits.max_file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    if count_processes:
        hard[resource.RLIMIT_NPROC] = limits.max_processes
    _lower(pid, hard, identity)


def confine_memory(pid: int, memory_bytes: int, identity: Identity | None) -> None:
    """Let the process take so much more than it has already, for where no cgroup guards the memory.

    Counts what it allocates (RLIMIT_DATA), not its addresses: node reserves far more of those than it ever uses. Stops
    the sudden bomb; what creeps past the function's limit is for `memory_watch`.
    """
    with contextlib.suppress(ProcessLookupError):
        _lower(pid, {resource.RLIMIT_DATA: processes.private_data_bytes(pid) + memory_bytes + _STACKS}, identity)


def _lower(pid: int, hard: dict[int, int], identity: Identity | None) -> None:
    # Root may set anybody's limits only with CAP_SYS_RESOURCE, which containers lack; a user may always set its own.
    with as_real_user(identity):
        for kind, most in hard.items():
            _, ceiling = resource.prlimit(pid, kind)
            allowed = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
            resource.prlimit(pid, kind, (allowed, allowed))
