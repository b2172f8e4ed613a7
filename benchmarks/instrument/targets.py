"""What was aimed at on two processors, and what of it a result reaches: the first table of `docs/performance.md`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from instrument.report import megabytes, microseconds
from instrument.rows import Row


class Target(NamedTuple):
    """One figure of one row, and how far it should be."""

    what: str
    #: The best isolated peer on the same machine, as measured when the target was set.
    peer: str
    workload: str
    title: str
    figure: str
    aim: float

    @property
    def smaller_is_better(self) -> bool:
        """Else a larger figure is."""
        return not self.figure.endswith("rate")

    def reached_by(self, value: float) -> bool:
        """Whether that is as good as was aimed at."""
        return value <= self.aim if self.smaller_is_better else value >= self.aim


_DRAINED = "10,000 asynchronous runs, drained"
_FN, _RIE = "Fn 464 us (container)", "Lambda RIE 381 us (process)"
TARGETS = (
    Target("warm run through HTTP, one client, p50", _RIE, "W1", "no-op, 1 client", "p50_us", 200),
    Target("the same, p99", "Fn 3.7 ms", "W1", "no-op, 1 client", "p99_us", 800),
    Target("warm runs per second, 32 clients", "Fn 1,871/s", "W1", "no-op, 32 clients", "rate", 12_000),
    Target("first run, from a spare, p50", "MiniStack 154 ms", "W5", "first run, from a spare", "p50_us", 2_000),
    Target("first run, on demand, p50", "Fn 406 ms (container)", "W5", "first run, on demand", "p50_us", 5_000),
    Target("100 first runs at once", "Fn 4/s", "W6", "100 first runs at once", "rate", 300),
    Target("accepted on disk, then done", "huey 3,241/s, not durable", "W7", _DRAINED, "rate", 6_000),
    Target("memory of one warm idle function", "Fn 17.6 MiB", "W8", "200 warm functions", "each_mb", 4),
    Target("1,000 runs at once that sleep 100 ms", "", "W4", "sleep 100 ms, 1000 clients", "rate", 5_000),
    Target("p50 beside 10,000 functions, against 10", "", "W11", "no-op beside 10,000 functions", "p50_us", 0),
    Target("p50 after 1,000,000 runs, against 1,000", "", "W11", "no-op after 1,000,000 runs", "p50_us", 0),
)
DOCKER_TARGETS = (
    Target("Docker: warm run, one client, p50", _FN, "W1", "no-op, 1 client", "p50_us", 350),
    Target("Docker: first run, from a spare, p50", "Fn 406 ms", "W5", "first run, from a spare", "p50_us", 20_000),
)
#: A figure that should be as its limit may be so much above it: what two measurements of the same differ by.
FLAT = 1.15


def reached(rows: Sequence[Row], *, sandbox: str) -> str:
    """A table in Markdown with a line for each target; a cell is empty where the result has no such row."""
    lines = ["| | best isolated peer | aim | pinned | free | limit, free | x limit |", "|---|---|--:|--:|--:|--:|--:|"]
    lines += [_line(one, rows) for one in (DOCKER_TARGETS if sandbox == "docker" else TARGETS)]
    return "\n".join(lines) + "\n"


def _line(target: Target, rows: Sequence[Row]) -> str:
    found = {row.placement: row for row in rows if (row.workload, row.title) == (target.workload, target.title)}
    free = found.get("free")
    aim = f"{'≤' if target.smaller_is_better else '≥'} {_form(target)(target.aim)}" if target.aim else "flat"
    limit = _form(target)(free.limit.value) if free and free.limit and free.limit.figure == target.figure else ""
    times = f"{free.times_the_limit:.2f}" if limit and free and free.times_the_limit else ""
    cells = [target.what, target.peer, aim, _cell(target, found.get("pinned")), _cell(target, free), limit, times]
    return f"| {' | '.join(cells)} |"


def _cell(target: Target, row: Row | None) -> str:
    if row is None or target.figure not in row.figures:
        return ""
    value = row.figures[target.figure]
    flat = row.times_the_limit is not None and row.times_the_limit <= FLAT
    met = target.reached_by(value) if target.aim else flat
    return f"{'**' if met else ''}{_form(target)(value)}{'**' if met else ' (missed)'}"


def _form(target: Target) -> Callable[[float], str]:
    return {"rate": "{:,.0f}/s".format, "each_mb": megabytes}.get(target.figure, microseconds)
