"""A container's memory group, written by ourselves where we may: 0.1 ms, for which the engine takes 15.

The engine stays right about everything else; and it is asked wherever the group can't be reached, as in a container of
our own, or must not be written past systemd, which would undo it.
"""

import contextlib
import os
from pathlib import Path

from nanogrid.model import Record


class _Files(Record, frozen=True, kw_only=True):
    """Names of the files in a group."""

    limit: str
    #: Memory and swap together; empty where swap has a limit of its own, which stays 0.
    limit_with_swap: str = ""
    events: str


_V1 = _Files(
    limit="memory.limit_in_bytes", limit_with_swap="memory.memsw.limit_in_bytes", events="memory.oom_control"
)
_V2 = _Files(limit="memory.max", events="memory.events")


class MemoryGroup:
    """One container's group."""

    def __init__(self, folder: Path, files: _Files) -> None:
        """See `find_memory_group`."""
        self._folder = folder
        self._files = files

    @property
    def writable(self) -> bool:
        """Whether we may set the limit."""
        return os.access(self._folder / self._files.limit, os.W_OK)

    def raise_limit(self, size: int) -> None:
        """Allow so many bytes, and no swap; never fewer than before. Raises `OSError`."""
        # In this order: memory alone may never be allowed more than both together.
        if self._files.limit_with_swap:
            with contextlib.suppress(FileNotFoundError):  # a kernel that does not count swap
                (self._folder / self._files.limit_with_swap).write_text(str(size))
        (self._folder / self._files.limit).write_text(str(size))

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something inside because of the limit; False where the group is gone."""
        with contextlib.suppress(OSError, ValueError):
            lines = (self._folder / self._files.events).read_text().splitlines()
            return int(dict(line.split() for line in lines).get("oom_kill", "0")) > 0
        return False


def find_memory_group(pid: int, *, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> MemoryGroup | None:
    """The group of that process; None where it can't be found, or is not surely its own."""
    with contextlib.suppress(OSError, ValueError):
        for line in (proc / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                files = _V1 if controllers else _V2
                folder = root / controllers / path.lstrip("/")
                if (folder / files.limit).exists() and str(pid) in (folder / "cgroup.procs").read_text().split():
                    return MemoryGroup(folder, files)
    return None
