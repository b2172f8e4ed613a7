"""Ended runs that were told of lately, so that reading one back does not touch the disk."""

from collections import OrderedDict

from msgspec import Raw, structs

from nanogrid.model import Run

_KEPT_RUNS = 10_000
_KEPT_BYTES = 64 * 1024 * 1024
#: What a run occupies besides its input, output and logs.
_OVERHEAD_BYTES = 1_000


class RecentRuns:
    """A bounded cache of runs in full; the oldest go first. What it has is on disk too."""

    def __init__(self) -> None:
        """Empty."""
        #: The run without its input, the input, and how many bytes both are.
        self._runs: OrderedDict[str, tuple[Run, Raw, int]] = OrderedDict()
        self._bytes = 0

    def get(self, run_id: str) -> Run | None:
        """The run, where it is still here."""
        kept = self._runs.get(run_id)
        return None if kept is None else structs.replace(kept[0], input=kept[1])

    def add(self, run: Run, input_: Raw) -> None:
        """Keep an ended run for a while."""
        self.discard(run.run_id)
        size = size_of(run) + len(memoryview(input_))
        self._runs[run.run_id] = (run, input_, size)
        self._bytes += size
        while len(self._runs) > _KEPT_RUNS or self._bytes > _KEPT_BYTES:
            self._bytes -= self._runs.popitem(last=False)[1][2]

    def discard(self, run_id: str) -> None:
        """Forget the run, if it is here."""
        kept = self._runs.pop(run_id, None)
        if kept is not None:
            self._bytes -= kept[2]


def size_of(run: Run) -> int:
    """About how many bytes a run occupies in memory."""
    input_bytes = len(memoryview(run.input)) if run.input else 0
    return _OVERHEAD_BYTES + input_bytes + len(memoryview(run.output)) + len(run.logs.text)
