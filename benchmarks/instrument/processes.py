"""What processes have used: a grid's server by itself, and everything below it (its sandboxes) by itself."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
#: Fields of /proc/PID/stat after the command's closing parenthesis.
_PPID, _UTIME, _CUTIME = 1, 11, 13


@dataclass(frozen=True)
class Used:
    """Processor time in seconds, or memory in MB; of the first process, and of all below it."""

    server: float
    below: float

    def __sub__(self, other: "Used") -> "Used":
        return Used(self.server - other.server, self.below - other.below)

    @property
    def total(self) -> float:
        """Both together."""
        return self.server + self.below


def cpu_s(pid: int) -> Used:
    """Processor time so far. What ended meanwhile and was waited for counts as below."""
    below = sum(_threads_s(one) + _reaped_s(one) for one in descendants(pid))
    return Used(_threads_s(pid), below + _reaped_s(pid))


def pss_mb(pid: int) -> Used:
    """Memory by proportional share. Raises `PermissionError` where a sandbox is not ours to look into."""
    return Used(_pss_mb(pid), sum(_pss_mb(one) for one in descendants(pid)))


def descendants(pid: int) -> list[int]:
    """All processes that this one has started, and they, and so on."""
    children = defaultdict(list)
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            children[int(fields[_PPID])].append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        below = children[todo.pop()]
        found += below
        todo += below
    return found


def _threads_s(pid: int) -> float:
    """Of the threads that live: to the nanosecond where the kernel keeps it, else to the tick."""
    try:
        spent = [int((task / "schedstat").read_text().split()[0]) for task in (_PROC / str(pid) / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        fields = _stat(pid)
        return sum(map(int, fields[_UTIME : _UTIME + 2])) * _TICK_S if fields else 0.0
    return sum(spent) / 1e9


def _reaped_s(pid: int) -> float:
    fields = _stat(pid)
    return sum(map(int, fields[_CUTIME : _CUTIME + 2])) * _TICK_S if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields after the command; none where the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _pss_mb(pid: int) -> float:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)
