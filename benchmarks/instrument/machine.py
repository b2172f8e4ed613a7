"""The machine under the measurement: what it is, how busy others keep it, and which processor does what."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Of all processor time, more than this used by others spoils a figure.
MAX_FOREIGN = 0.05
#: The load average at the start, above which a run is refused: protocol, section "Rules".
MAX_LOAD = 0.3
_LOOK_S = 0.3


class MachineBusy(Exception):
    """Raised when somebody else uses the machine, so that figures would be theirs as much as ours."""


def describe() -> dict[str, Any]:
    """What the figures depend on, without anything that names this very machine."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memoryGb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def load_average() -> float:
    """Processes that wanted to run, over the last minute."""
    return os.getloadavg()[0]


def foreign_share() -> float:
    """Of all processor time of a short while, the share that was used; ask while nothing of ours runs.

    The load average can't tell: for a minute it remembers the cell that was measured before.
    """
    busy, total = _times()
    time.sleep(_LOOK_S)
    later_busy, later_total = _times()
    return (later_busy - busy) / max(1, later_total - total)


def refuse_when_loaded(*, force: bool) -> float:
    """The load average. Raises `MachineBusy` where it is too high, unless forced."""
    load = load_average()
    if load > MAX_LOAD and not force:
        raise MachineBusy(f"the load average is {load:.2f}, more than {MAX_LOAD}. Wait, or measure with --force.")
    return load


def refuse_when_shared(*, force: bool, patience_s: float = 30.0) -> float:
    """The share that others use, once it is low enough. Raises `MachineBusy` after the patience, unless forced."""
    end = time.monotonic() + patience_s
    while (share := foreign_share()) > MAX_FOREIGN and not force:
        if time.monotonic() > end:
            raise MachineBusy(f"others use {share:.0%} of the processors. Wait, or measure with --force.")
    return share


@contextmanager
def on_cpus(cpus: frozenset[int] | None) -> Iterator[None]:
    """Run this process, and whatever it starts meanwhile, on these processors only; None leaves it as it is."""
    before = os.sched_getaffinity(0)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _times() -> tuple[int, int]:
    with Path("/proc/stat").open() as file:
        user, nice, system, idle, iowait, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
    busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
