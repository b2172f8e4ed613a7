"""How much memory and time a function needs: by what its recent runs used, and by one that had too little."""

import math
from collections.abc import Iterable

from nanogrid.model import MAX_MEMORY_MB, MAX_TIMEOUT_MS, MIN_MEMORY_MB, Run

#: Room above the 99th percentile: memory is needed or not, durations vary with the machine.
_MEMORY_HEADROOM = 1.3
_TIME_HEADROOM = 3.0
_MEMORY_STEP_MB = 16
_TIME_STEP_MS = 1000


def recommend(runs: Iterable[Run]) -> tuple[int, int] | tuple[None, None]:
    """Memory in MB and timeout in milliseconds out of the ended ones of these runs; None where there are none."""
    used = [run.usage for run in runs if run.status.ended and run.started_at is not None]
    if not used:
        return None, None
    memory = _percentile([usage.peak_memory_mb for usage in used]) * _MEMORY_HEADROOM
    time = _percentile([usage.duration_ms for usage in used]) * _TIME_HEADROOM
    return (
        min(max(_stepped(memory, _MEMORY_STEP_MB), MIN_MEMORY_MB), MAX_MEMORY_MB),
        min(max(_stepped(time, _TIME_STEP_MS), _TIME_STEP_MS), MAX_TIMEOUT_MS),
    )


def raised_memory_mb(memory_mb: int, ceiling_mb: int) -> int:
    """The memory for a run that had too little: twice as much, never less than it had, never above the ceiling.

    What it would have needed nobody knows: it was ended when it reached its limit.
    """
    return max(memory_mb, min(_stepped(2 * memory_mb, _MEMORY_STEP_MB), ceiling_mb))


def _percentile(values: list[float]) -> float:
    """The 99th percentile, by nearest rank."""
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


def _stepped(value: float, step: int) -> int:
    return math.ceil(value / step) * step
