"""A container's memory group, read and written by ourselves where that can be: 0.1 ms, for which the engine takes 15.

Where it can't, as in a container of our own or as an ordinary user, the engine is asked.
"""

import contextlib
from pathlib import Path

from nanogrid.model import Record

_PROC = Path("/proc")
_ROOT = Path("/sys/fs/cgroup")


class _Files(Record, frozen=True, kw_only=True):
    """Names of the files in a group."""

    limit: str
    #: Memory and swap together; empty where swap has a limit of its own, which the engine has set to 0.
    limit_with_swap: str = ""
    events: str


_V1 = _Files(limit="memory.limit_in_bytes", limit_with_swap="memory.memsw.limit_in_bytes", events="memory.oom_control")
_V2 = _Files(limit="memory.max", events="memory.events")


class MemoryGroup:
    """One container's group."""

    def __init__(self, folder: Path, files: _Files) -> None:
        """See `find_memory_group`."""
        self._folder = folder
        self._files = files

    def raise_limit(self, size: int) -> bool:
        """Allow so many bytes, never fewer than before, and no swap; False where that is not ours to do."""
        if self._kept_by_systemd:
            return False
        try:
            # In this order: memory alone may never be allowed more than both together.
            if self._files.limit_with_swap:
                with contextlib.suppress(FileNotFoundError):  # a kernel that does not count swap
                    (self._folder / self._files.limit_with_swap).write_text(str(size))
            (self._folder / self._files.limit).write_text(str(size))
        except OSError:
            return False
        return True

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something inside because of the limit; False where the group is gone."""
        with contextlib.suppress(OSError, ValueError):
            lines = (self._folder / self._files.events).read_text().splitlines()
            return int(dict(line.split() for line in lines).get("oom_kill", "0")) > 0
        return False

    @property
    def _kept_by_systemd(self) -> bool:
        # Then systemd knows the limit as well, and would set the old one again whenever it is reloaded.
        return self._folder.suffix == ".scope"


def find_memory_group(pid: int, *, proc: Path = _PROC, root: Path = _ROOT) -> MemoryGroup | None:
    """The group of that process; None where we can't see it."""
    for line in _groups(pid, proc):
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            files = _V1 if controllers else _V2
            folder = root / controllers / path.lstrip("/")
            if (folder / files.limit).exists():
                return MemoryGroup(folder, files)
    return None


def is_first_of(pid: int, container: str, *, proc: Path = _PROC) -> bool:
    """Whether that process is in the container of that id.

    Not so where we are in a container ourselves and count processes in another way than the engine.
    """
    return any(container in line for line in _groups(pid, proc))


def _groups(pid: int, proc: Path) -> list[str]:
    try:
        return (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return []
