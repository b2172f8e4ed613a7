"""`nanogrid explain`: why a run waits, or ended as it did, and what to do next."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from nanogrid.cli.render import clean_line, counted, print_json, status_text
from nanogrid.cli.session import session_of
from nanogrid.client.records import ExplanationInfo, LimitInfo, QueuePlaceInfo

_MOST_AHEAD = 5


def explain(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say why a run waits, or ended as it did, and what to do next."""
    session = session_of(context)
    with session.client() as client:
        explanation = client.explain(run_id)
    if as_json:
        print_json(explanation)
        return
    for line in _lines(explanation):
        # What wraps keeps its indentation; what is to be copied stays on one line.
        session.out.print(line, soft_wrap=isinstance(line, Text))


def _lines(told: ExplanationInfo) -> Iterator[Text | Padding]:
    where = f"  {clean_line(told.function_name)}, version {told.version} · {told.run_id}"
    yield Text.assemble(status_text(told.status), (where, "dim"))
    yield Text()
    yield Text(told.title, "bold")
    yield _indented(told.why)
    if told.limit is not None:
        yield _fact("limit", _limit(told.limit))
    if told.queue is not None:
        yield from _queue(told.queue)
    for unknown in told.unknown:
        yield _fact("not known", unknown)
    if told.next:
        yield Text()
        yield Text("What to do", "bold")
    for step in told.next:
        yield _indented(step.text)
        if step.command is not None:
            yield Text.assemble(("    $ ", "dim"), (clean_line(step.command), "cyan"))


def _indented(text: str) -> Padding:
    """A paragraph whose `backquotes` are what is typed."""
    shown = Text()
    for number, piece in enumerate(clean_line(text).split("`")):
        shown.append(piece, "cyan" if number % 2 else "")
    return Padding(shown, (0, 0, 0, 2), expand=False)


def _fact(name: str, text: str) -> Text:
    return Text.assemble((f"  {name}: ", "dim"), clean_line(text))


def _limit(limit: LimitInfo) -> str:
    used = "" if limit.used is None else f", {limit.used:g} used"
    return f"{limit.name} is {limit.value} {limit.unit}{used}"


def _queue(place: QueuePlaceInfo) -> Iterator[Text]:
    if place.due_at is not None:
        yield _fact("due", place.due_at.isoformat(timespec="milliseconds"))
        return
    parts = [f"{one.tasks} of {one.function_name or 'others'}" for one in place.ahead_of[:_MOST_AHEAD]]
    rest = len(place.ahead_of) - len(parts)
    parts += [f"those of {counted(rest, 'more function')}"] if rest > 0 else []
    ahead = counted(place.ahead, "task") if place.ahead else "none"
    yield _fact("before it", ahead + (f": {', '.join(parts)}" if parts else ""))
