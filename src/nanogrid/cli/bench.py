"""Measure the grid that the other commands speak to."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
import uvloop
from rich.text import Text

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.load import Tally, Target, closed_loop, make_target
from nanogrid.cli.render import counted, print_fields, print_json
from nanogrid.cli.runs import read_input
from nanogrid.cli.session import Session, session_of
from nanogrid.client import Client, RunInfo, discovery
from nanogrid.errors import NotFound
from nanogrid.model import Record

#: Is timed without a handler of its own getting in the way.
_NO_OP = "def handler(event, context):\n    return {'ok': True}\n"
_WARM_UP_S = 0.5
_SUCCEEDED = b'"status":"succeeded"'


class Figures(Record, frozen=True, kw_only=True):
    """What was measured; latencies as a client sees them, from this machine."""

    url: str
    function_name: str
    clients: int
    seconds: float
    #: The very first run, which had to find or start a sandbox.
    first_cold: bool
    first_init_ms: float
    runs: int
    #: Answers that were not 200, or runs that did not succeed.
    failed: int
    rate_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    #: What the first failed answer was.
    failure: str = ""


def bench(
    context: typer.Context,
    function: Annotated[
        str | None, typer.Option("--function", "-f", help="Run this function; else one that does nothing.")
    ] = None,
    text: Annotated[
        str, typer.Option("--input", "-i", metavar="JSON", help="Its input: JSON, @FILE, or - for stdin.")
    ] = "{}",
    clients: Annotated[int, typer.Option("--clients", "-c", min=1, help="How many ask at once.")] = 8,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long to measure.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how fast the grid runs a function, with real requests, each answer checked.

    The function that does nothing is deployed under a name of its own and removed at the end.
    """
    session = session_of(context)
    value = read_input(text)
    place = discovery.find(None, None, session.environ)
    with session.client() as client, _function(client, function) as name:
        first = client.invoke(name, value)
        target = _target(place, name, value)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            tally = runner.run(closed_loop(target, clients=clients, seconds=seconds, warm_up_s=_WARM_UP_S))
        figures = _figures(place.url, name, clients, first, tally)
    print_json(figures) if as_json else _print(session, figures)
    if figures.failed:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _function(client: Client, chosen: str | None) -> Iterator[str]:
    """The name of what is measured: the chosen function, or one that is there for as long as the context lasts."""
    if chosen is not None:
        yield client.function(chosen).name
        return
    name = f"bench-{secrets.token_hex(4)}"
    client.deploy(_NO_OP, name=name)
    try:
        yield name
    finally:
        _remove(client, name)


def _remove(client: Client, name: str) -> None:
    """Somebody may have cleaned up before us."""
    try:
        client.delete(name)
    except NotFound:
        return


def _target(place: discovery.Place, name: str, value: msgspec.Raw) -> Target:
    body = msgspec.json.encode({"functionId": name, "input": value})
    headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
    return make_target(f"{place.url}/run", body, headers, expect=(_SUCCEEDED,))


def _figures(url: str, name: str, clients: int, first: RunInfo, tally: Tally) -> Figures:
    def percentile(percent: float) -> float | None:
        return round(tally.percentile(percent) * 1000, 3) if tally.latencies else None

    return Figures(
        url=url,
        function_name=name,
        clients=clients,
        seconds=tally.seconds,
        first_cold=first.usage.cold_start,
        first_init_ms=first.usage.init_ms,
        runs=len(tally.latencies),
        failed=tally.wrong,
        rate_per_s=round(tally.rate, 1),
        p50_ms=percentile(50),
        p99_ms=percentile(99),
        p999_ms=percentile(99.9),
        max_ms=percentile(100),
        failure=tally.first_wrong,
    )


def _print(session: Session, figures: Figures) -> None:
    start = f"cold, {figures.first_init_ms:.1f} ms to load" if figures.first_cold else "warm"
    fields: list[tuple[str, Any]] = [
        ("grid", figures.url),
        ("function", figures.function_name),
        ("load", f"{counted(figures.clients, 'client')} for {figures.seconds:g} s"),
        ("first run", start),
        ("runs", f"{figures.runs}, {figures.rate_per_s:,.0f} per second"),
        ("half within", _milliseconds(figures.p50_ms)),
        ("99 % within", _milliseconds(figures.p99_ms)),
        ("99.9 % within", _milliseconds(figures.p999_ms)),
        ("slowest", _milliseconds(figures.max_ms)),
    ]
    if figures.failed:
        fields.append(("failed", Text(f"{figures.failed}; the first: {figures.failure}", style="red")))
    print_fields(session.out, fields)


def _milliseconds(value: float | None) -> str:
    return "nothing was answered" if value is None else f"{value:.2f} ms"
