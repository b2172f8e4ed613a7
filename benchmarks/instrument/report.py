"""Results for people and for programs: a table on the terminal, one for the docs, and JSON to keep."""

import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from instrument.rows import Row
from nanogrid import __version__
from nanogrid.model import Record

_HERE = Path(__file__).parent
#: Below, a figure's first decimal says something.
_EXACT_BELOW = 100
_MARKS = ("<!-- {} -->\n", "<!-- /{} -->")


class Result(Record, frozen=True, kw_only=True):
    """One run of the instrument."""

    measured_at: datetime
    version: str
    commit: str
    machine: dict[str, Any]
    sandbox: str
    #: How it was called.
    command: str
    #: Load average before anything was started.
    load: float
    #: Whether the machine was allowed to be busy: such figures are no evidence.
    forced: bool
    #: Physical limits, by placement.
    limits: dict[str, dict[str, float]]
    #: Medians over the rounds.
    rows: list[Row]
    #: Every single measurement.
    rounds: list[Row]


def make_result(**fields: Any) -> Result:
    """A result of this moment and this version."""
    return Result(measured_at=datetime.now(UTC), version=__version__, commit=_commit(), **fields)


def keep(result: Any, moment: datetime, *, prefix: str = "") -> str:
    """Write the result into a file named by its moment; where that is, seen from the checkout."""
    folder = _HERE.parent / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{prefix}{moment:%Y-%m-%dT%H%M%S}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return str(path.relative_to(_HERE.parent.parent))


def table(rows: Sequence[Row]) -> Table:
    """The rows for a terminal."""
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        shown.add_column(heading, justify="left" if heading in _WORDS else "right", overflow="fold")
    for row in rows:
        shown.add_row(*cells(row), style="red" if row.wrong else "")
    return shown


def cells(row: Row) -> list[str]:
    """A row, column by column."""
    return [text(row) for text in _COLUMNS.values()]


def markdown(result: Result) -> str:
    """The tables for the docs, one for each placement, and what they were measured on."""
    machine = result.machine
    lines = [
        f"Measured {result.measured_at:%Y-%m-%d %H:%M} UTC, version {result.version} ({result.commit}), with",
        f"`{result.command}`: {machine['cores']} processors ({machine['processor']}), {machine['memoryGb']} GiB,",
        f"Linux {machine['kernel']}, Python {machine['python']}; sandbox: {result.sandbox};",
        f"load average {result.load:.2f} before.",
    ]
    if result.forced:
        lines += ["", "**The machine was busy with other work (`--force`): these figures are no evidence.**"]
    for placement in ("pinned", "free"):
        rows = [row for row in result.rows if row.placement == placement]
        if rows:
            lines += ["", f"### {_PLACEMENTS[placement]}", "", *_markdown_table(rows)]
            lines += ["", "Physical limits in the same run:", "", *_limits(result.limits.get(placement, {}))]
    return "\n".join(lines) + "\n"


def write_between(path: Path, mark: str, text: str) -> None:
    """Replace what stands between `<!-- mark -->` and `<!-- /mark -->`. Raises `ValueError` where they are missing."""
    begin, end = (sign.format(mark) for sign in _MARKS)
    before, begins, rest = path.read_text().partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"{path} has no place for {mark}: it needs the lines {begin.strip()} and {end}.")
    path.write_text(before + begin + text + end + after)


def print_row(console: Console, row: Row) -> None:
    """One measurement as soon as it is there."""
    figures = [text for text in cells(row)[2:] if text]
    console.print(f"{row.placement:7}{row.workload:4}{row.title:42}", " · ".join(figures), soft_wrap=True)
    if row.wrong:
        console.print(f"  {row.wrong} wrong answers; the first: {row.first_wrong}", style="red", soft_wrap=True)


def microseconds(value: float | None) -> str:
    """A duration as a person reads it."""
    if value is None:
        return ""
    if value < 1000:
        return f"{value:.0f} us"
    return f"{value / 1000:.3g} ms" if value < 1e6 else f"{value / 1e6:.3g} s"


def _markdown_table(rows: Sequence[Row]) -> list[str]:
    rule = "|".join("---" if heading in _WORDS else "--:" for heading in _COLUMNS)
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{rule}|"]
    return lines + [f"| {' | '.join(cells(row))} |" for row in rows]


def _limits(limits: dict[str, float]) -> list[str]:
    lines = []
    for name, value in limits.items():
        what, _, unit = name.rpartition(", ")
        lines.append(f"- {what}: {value:,.0f} {unit}" if value >= _EXACT_BELOW else f"- {what}: {value:.1f} {unit}")
    return lines


def _figure(name: str, form: Callable[[float], str]) -> Callable[[Row], str]:
    return lambda row: form(row.figures[name]) if name in row.figures else ""


def _limit(row: Row) -> str:
    if row.limit is None:
        return ""
    form = {"rate": "{:,.0f}/s".format, "each_mb": megabytes}.get(row.limit.figure, microseconds)
    return f"{_NAMES[row.limit.figure]} {form(row.limit.value)} ({row.limit.source})"


def _times(row: Row) -> str:
    times = row.times_the_limit
    return "" if times is None else f"{times:.2f}"


def _more(row: Row) -> str:
    """What only some workloads tell, and what went wrong."""
    told = [f"{name} {form(row.figures[key])}" for key, (name, form) in _MORE.items() if key in row.figures]
    told += [f"{row.wrong} wrong answers"] if row.wrong else []
    return ", ".join(told)


def megabytes(value: float) -> str:
    """A size as a person reads it."""
    return f"{value:.1f} MB" if value < 100 else f"{value:,.0f} MB"


def _commit() -> str:
    """The commit of the checkout; empty outside of one."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git is there
        cwd=_HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


_WORDS = frozenset({"", "workload", "limit", "also"})
_PLACEMENTS = {"pinned": "Server on one processor, load on the other", "free": "Both wherever the kernel puts them"}
_NAMES = {"p50_us": "p50", "p99_us": "p99", "rate": "rate", "each_mb": "each"}
_MORE: dict[str, tuple[str, Callable[[float], str]]] = {
    "each_mb": ("each", megabytes),
    "server_mb": ("server", megabytes),
    "accepted_rate": ("accepted", "{:,.0f}/s".format),
    "after_the_kill": ("ended after it", "{:.0f}".format),
    "tried_again": ("tried again", "{:.0f}".format),
    "late_p99_us": ("generator late by", microseconds),
}
_COLUMNS: dict[str, Callable[[Row], str]] = {
    "": lambda row: row.workload,
    "workload": lambda row: row.title,
    "p50": _figure("p50_us", microseconds),
    "p99": _figure("p99_us", microseconds),
    "p99.9": _figure("p999_us", microseconds),
    "per second": _figure("rate", "{:,.0f}".format),
    "server CPU": _figure("server_cpu_us", microseconds),
    "sandbox CPU": _figure("sandbox_cpu_us", microseconds),
    "memory": _figure("memory_mb", megabytes),
    "limit": _limit,
    "x limit": _times,
    "also": _more,
}
