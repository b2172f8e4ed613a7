"""One line of the result: what was measured, how much of it, and the physical limit measured beside it."""

from collections.abc import Iterable
from statistics import median
from typing import Literal

from nanogrid.model import Record

#: Figures whose smaller value is the better one; of the others the larger is.
_SMALLER_IS_BETTER = frozenset({"p50_us", "p99_us", "p999_us", "memory_mb", "each_mb"})


class Limit(Record, frozen=True, kw_only=True):
    """What the machine could do instead."""

    #: What it is the limit of: a key of `Row.figures`.
    figure: str
    value: float
    #: How it was found.
    source: str


class Row(Record, frozen=True, kw_only=True):
    """One cell of one workload: of one round, or the medians over rounds.

    Figures: `p50_us`, `p99_us`, `p999_us`; `rate` per second; `server_cpu_us` and `sandbox_cpu_us` per run;
    `memory_mb` of server and sandboxes; and what else a workload has to tell.
    """

    workload: str
    title: str
    placement: Literal["pinned", "free"]
    figures: dict[str, float]
    limit: Limit | None = None
    generator: str = "own"
    wrong: int = 0
    first_wrong: str = ""
    #: Before the cell: processes that wanted to run in the last minute, share of the processors that others used.
    load: float = 0.0
    foreign: float = 0.0
    #: Over rounds: the least and the greatest of the figure that the limit is about.
    spread: tuple[float, float] | None = None
    rounds: int = 1

    @property
    def times_the_limit(self) -> float | None:
        """How far from the limit: 1 is at it, 2 is twice as slow. None where there is none."""
        if self.limit is None or not (ours := self.figures.get(self.limit.figure)):
            return None
        return ours / self.limit.value if self.limit.figure in _SMALLER_IS_BETTER else self.limit.value / ours


def over_rounds(rows: Iterable[Row]) -> list[Row]:
    """Rows of the same cell as one, in the order of their first appearance."""
    cells: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.placement, row.workload, row.title), []).append(row)
    return [_merged(same) for same in cells.values()]


def _merged(same: list[Row]) -> Row:
    first = same[0]
    names = [name for name in first.figures if all(name in row.figures for row in same)]
    about = first.limit.figure if first.limit else "rate"
    values = [row.figures[about] for row in same if about in row.figures]
    return Row(
        workload=first.workload,
        title=first.title,
        placement=first.placement,
        figures={name: median(row.figures[name] for row in same) for name in names},
        limit=_merged_limit([row.limit for row in same if row.limit]),
        generator=first.generator,
        wrong=sum(row.wrong for row in same),
        first_wrong=next((row.first_wrong for row in same if row.first_wrong), ""),
        load=max(row.load for row in same),
        foreign=max(row.foreign for row in same),
        spread=(min(values), max(values)) if values else None,
        rounds=len(same),
    )


def _merged_limit(limits: list[Limit]) -> Limit | None:
    if not limits:
        return None
    first = limits[0]
    return Limit(figure=first.figure, value=median(limit.value for limit in limits), source=first.source)
