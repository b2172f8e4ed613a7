"""How things look: for people on a terminal, exactly JSON where a program reads."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from nanogrid.model import RunStatus

#: What could move the cursor, recolour the terminal or turn the reading direction: functions write what they like.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: The same where it can only stand inside a JSON text: there it can be escaped.
_CONTROL_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"[\n\t]+")
#: Wide enough for every table: what is not a terminal has no width.
_NO_WIDTH = 1000
_STYLES = {
    RunStatus.SUCCEEDED: "green",
    RunStatus.FAILED: "red",
    RunStatus.DEAD: "red",
    RunStatus.CANCELLED: "yellow",
    RunStatus.RUNNING: "cyan",
    RunStatus.QUEUED: "dim",
}


def make_console(*, stderr: bool = False) -> Console:
    """A console that colours and fits to the width only on a terminal."""
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _NO_WIDTH
    return console


def clean(text: str) -> str:
    """The text without control characters other than new line and tab."""
    return _CONTROL.sub("", text)


def clean_line(text: str) -> str:
    """The text as `clean` leaves it, on one line."""
    return _SPACE.sub(" ", clean(text))


def json_text(text: str) -> str:
    """The same JSON with what a terminal might obey escaped."""
    return _CONTROL_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_json(value: Any) -> None:
    """One JSON document on stdout, records with the fields of the HTTP API."""
    sys.stdout.write(json_text(msgspec.json.encode(value).decode()) + "\n")


def print_output(console: Console, output: bytes) -> None:
    """A function's output: indented on a terminal, else exactly as it came."""
    if not console.is_terminal:
        sys.stdout.write(output.decode() + "\n")
        return
    text = Text(json_text(json.dumps(json.loads(output), indent=2, ensure_ascii=False)))
    JSONHighlighter().highlight(text)
    console.print(text, soft_wrap=True)


def print_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A plain table; nothing of it is wrapped where it is not a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean_line(cell)) if isinstance(cell, str) else cell for cell in row))
    console.print(table)


def print_fields(console: Console, fields: Sequence[tuple[str, str | Text]]) -> None:
    """Names and values, one pair to a line."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        shown = Text(clean_line(value)) if isinstance(value, str) else value
        console.print(Text.assemble((name.ljust(width + 2), "dim"), shown), soft_wrap=True)


def status_text(status: RunStatus) -> Text:
    """A run's status in its colour."""
    return Text(status.value, style=_STYLES[status])


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def milliseconds(value: float) -> str:
    """A duration as a person reads it."""
    if value < 10:  # noqa: PLR2004 - below ten, the fraction matters
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"  # noqa: PLR2004


def size(count: int) -> str:
    """Bytes as a person reads them."""
    if count < 1000:  # noqa: PLR2004
        return f"{count} bytes"
    for unit, power in (("GB", 1e9), ("MB", 1e6)):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count / 1000:.1f} kB"


def counted(count: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
