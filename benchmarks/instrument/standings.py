"""Peers beside each other: what each did in each round, and the table of it. Those that are ahead of us stay in."""

from collections.abc import Sequence
from statistics import median

from rich.table import Table

from instrument.ratios import ratio
from instrument.report import microseconds
from nanogrid.model import Record


class Standing(Record, frozen=True, kw_only=True):
    """One peer over all rounds: for each figure, one value for each round."""

    name: str
    version: str = ""
    isolation: str
    durability: str = "none"
    #: Why there are no figures, or not all.
    remark: str = ""
    wrong: int = 0
    figures: dict[str, list[float]] = {}

    def middle(self, figure: str) -> float | None:
        """The median over the rounds; None where it was not measured."""
        return median(self.figures[figure]) if self.figures.get(figure) else None


def against(ours: Standing, theirs: Standing, figure: str, *, smaller_is_better: bool) -> str:
    """How many times better we are; below 1 they are ahead. Empty where one of the two has no figure."""
    mine, other = ours.figures.get(figure, []), theirs.figures.get(figure, [])
    if not mine or len(mine) != len(other):
        return ""
    return str(ratio(other, mine) if smaller_is_better else ratio(mine, other))


def peer_headings(clients: Sequence[int]) -> list[str]:
    """Columns of the table of peers."""
    rates = [f"per second, {count}" for count in clients]
    return ["", "version", "isolation", "p50, 1 client", "p99", *rates, "p50, theirs / ours", "rate, ours / theirs", ""]


def peer_row(ours: Standing, one: Standing, clients: Sequence[int]) -> list[str]:
    """A peer's line; the ratio of rates is for as many clients as it takes."""
    most = max((count for count in clients if one.figures.get(f"rate_{count}")), default=clients[0])
    return [
        one.name,
        one.version,
        one.isolation,
        microseconds(one.middle("p50_us")),
        microseconds(one.middle("p99_us")),
        *(_rate(one.middle(f"rate_{count}")) for count in clients),
        against(ours, one, "p50_us", smaller_is_better=True),
        against(ours, one, f"rate_{most}", smaller_is_better=False),
        _remark(one),
    ]


QUEUE_HEADINGS = [
    "",
    "version",
    "isolation",
    "durability",
    "enqueued/s",
    "drained/s",
    "one job, p50",
    "drained, ours / theirs",
    "p50, theirs / ours",
    "",
]


def queue_row(ours: Standing, one: Standing) -> list[str]:
    """A queue's line."""
    return [
        one.name,
        one.version,
        one.isolation,
        one.durability,
        _rate(one.middle("enqueued_rate")),
        _rate(one.middle("drained_rate")),
        microseconds(one.middle("p50_us")),
        against(ours, one, "drained_rate", smaller_is_better=False),
        against(ours, one, "p50_us", smaller_is_better=True),
        _remark(one),
    ]


def terminal(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Rows for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    return table


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows for the docs."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _remark(one: Standing) -> str:
    wrong = f"{one.wrong} wrong answers" if one.wrong else ""
    return ", ".join(filter(None, [wrong, one.remark]))
