"""Commands about schedules."""

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from nanogrid.cli.durations import in_words
from nanogrid.cli.render import clean_line, print_fields, print_json, print_table, status_text
from nanogrid.cli.runs import read_input
from nanogrid.cli.session import Session, session_of
from nanogrid.client import Client, ScheduleInfo
from nanogrid.schedule import Fire, FireOutcome, FireReport, Missed, Overlap

_Name = Annotated[str, typer.Argument(help="The schedule's name.")]
_Function = Annotated[
    str, typer.Argument(help="The function's name; NAME:ALIAS or NAME:VERSION to stay with one.", metavar="FUNCTION")
]
_When = Annotated[
    str,
    typer.Argument(metavar="WHEN", help="Five fields of cron such as '0 7 * * MON-FRI', @daily, or 'every 5 minutes'."),
]
_Timezone = Annotated[str | None, typer.Option("--timezone", "-z", help="As Europe/Berlin; UTC where not given.")]
_Input = Annotated[
    str | None,
    typer.Option("--input", "-i", metavar="JSON", help="What it gets: JSON, @FILE or -; else name and due time."),
]
_Missed = Annotated[Missed | None, typer.Option(help="Runs for due times at which no grid was there; else once.")]
_Overlap = Annotated[Overlap | None, typer.Option(help="If the run before is still under way; else allow.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_STYLES = {FireOutcome.MISSED: "yellow", FireOutcome.OVERLAPPED: "yellow", FireOutcome.REFUSED: "red"}


def add(
    context: typer.Context,
    function: _Function,
    when: _When,
    timezone: _Timezone = None,
    name: Annotated[str | None, typer.Option(help="The schedule's name; else as the function is called.")] = None,
    text: _Input = None,
    missed: _Missed = None,
    overlap: _Overlap = None,
    paused: Annotated[bool, typer.Option("--paused", help="Let it not fire before it is resumed.")] = False,
    as_json: _Json = False,
) -> None:
    """Let a function run at certain times."""
    session = session_of(context)
    given = {} if text is None else {"input": read_input(text)}
    with session.client() as client:
        made = client.add_schedule(
            function,
            when,
            name=name,
            timezone=timezone,
            missed=missed,
            overlap=overlap,
            enabled=not paused,
            **given,
        )
    _print_changed(session, "Made", made, as_json=as_json)


def list_schedules(
    context: typer.Context,
    function: Annotated[str | None, typer.Option("--function", "-f", help="Only of this function.")] = None,
    as_json: _Json = False,
) -> None:
    """List schedules: when each fires next, and what came of the last time."""
    session = session_of(context)
    with session.client() as client:
        found = list(client.schedules(function))
    if as_json:
        print_json(found)
    elif not found:
        session.hint("There are no schedules. Make one: nanogrid schedule add FUNCTION '0 7 * * *'")
    else:
        headings = ["SCHEDULE", "FUNCTION", "WHEN", "TIMEZONE", "NEXT", "LAST"]
        print_table(session.out, headings, [_row(schedule) for schedule in found])


def show(context: typer.Context, name: _Name, as_json: _Json = False) -> None:
    """Print a schedule: its next due times, and what came of the latest."""
    session = session_of(context)
    with session.client() as client:
        schedule = client.schedule(name)
    if as_json:
        print_json(schedule)
        return
    print_fields(session.out, _details(schedule))
    if schedule.fires:
        session.out.print()
        print_table(session.out, ["DUE", "OUTCOME", "RUN"], [_fire_row(schedule, fire) for fire in schedule.fires])


def change(
    context: typer.Context,
    name: _Name,
    when: Annotated[str | None, typer.Option("--when", metavar="WHEN", help="Another expression.")] = None,
    timezone: _Timezone = None,
    function: Annotated[
        str | None, typer.Option("--function", "-f", help="Another function, alias or version.")
    ] = None,
    text: _Input = None,
    missed: _Missed = None,
    overlap: _Overlap = None,
    as_json: _Json = False,
) -> None:
    """Change a schedule; what is not given stays."""
    session = session_of(context)
    given: dict[str, Any] = {} if text is None else {"input": read_input(text)}
    with session.client() as client:
        changed = client.change_schedule(
            name, function=function, expression=when, timezone=timezone, missed=missed, overlap=overlap, **given
        )
    _print_changed(session, "Changed", changed, as_json=as_json)


def pause(
    context: typer.Context, names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of schedules.")]
) -> None:
    """Let schedules not fire until they are resumed."""
    _each(context, names, Client.pause_schedule, "Paused")


def resume(
    context: typer.Context, names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of schedules.")]
) -> None:
    """Let schedules fire again, from their next due times on."""
    _each(context, names, Client.resume_schedule, "Resumed")


def remove(
    context: typer.Context, names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of schedules.")]
) -> None:
    """Delete schedules; runs that they have made go on."""
    session = session_of(context)
    with session.client() as client:
        for name in names:
            client.delete_schedule(name)
            session.out.print(f"Deleted {clean_line(name)}.")


def _each(context: typer.Context, names: list[str], act: Any, verb: str) -> None:
    session = session_of(context)
    with session.client() as client:
        for name in names:
            _print_changed(session, verb, act(client, name), as_json=False)


def _print_changed(session: Session, verb: str, schedule: ScheduleInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(schedule)
        return
    heading = Text.assemble(f"{verb} ", (schedule.name, "bold"), f": {_meaning(schedule)}, {schedule.timezone}")
    session.out.print(heading, soft_wrap=True)
    if schedule.next_at is not None:
        session.out.print(f"  next {_moment(schedule.next_at, schedule)}, {_until(schedule.next_at)}", style="dim")


def _details(schedule: ScheduleInfo) -> list[tuple[str, str | Text]]:
    waiting = f", {len(schedule.waiting)} wait" if schedule.waiting else ""
    fields: list[tuple[str, str | Text]] = [
        ("schedule", schedule.name if schedule.enabled else Text.assemble(schedule.name, (" (paused)", "yellow"))),
        ("function", schedule.function),
        ("when", f"{schedule.expression} ({_meaning(schedule)})"),
        ("timezone", schedule.timezone),
        ("missed", schedule.missed.value),
        ("overlap", schedule.overlap.value + waiting),
    ]
    heading = "next"
    for due in schedule.next or []:
        fields.append((heading, f"{_moment(due, schedule)}, {_until(due)}"))
        heading = ""
    return fields


def _row(schedule: ScheduleInfo) -> tuple[str | Text, ...]:
    coming = Text("paused", style="yellow") if schedule.next_at is None else _until(schedule.next_at)
    last = _outcome(schedule.last) if schedule.last else Text("never", style="dim")
    return (schedule.name, schedule.function, schedule.expression, schedule.timezone, coming, last)


def _fire_row(schedule: ScheduleInfo, fire: FireReport) -> tuple[str | Text, ...]:
    times = f" ({fire.count} times)" if fire.count > 1 else ""
    return (_moment(fire.due_at, schedule) + times, _outcome(fire), fire.run_id or fire.reason or "")


def _outcome(fire: FireReport) -> Text:
    """How its run stands, or why there is none."""
    if fire.status is not None:
        return status_text(fire.status)
    return Text(_word(fire), style=_STYLES.get(fire.outcome, ""))


def _word(fire: Fire) -> str:
    return "overlapped" if fire.outcome is FireOutcome.OVERLAPPED else fire.outcome.value


def _meaning(schedule: ScheduleInfo) -> str:
    return schedule.description[:1].lower() + schedule.description[1:]


def _moment(moment: datetime, schedule: ScheduleInfo) -> str:
    """As clocks show it where the schedule is at home."""
    try:
        local = moment.astimezone(ZoneInfo(schedule.timezone))
    except (KeyError, ValueError, OSError):
        # A zone that the grid knows and this machine does not.
        local = moment.astimezone(UTC)
    return local.strftime("%a %Y-%m-%d %H:%M %Z")


def _until(moment: datetime) -> str:
    left = (moment - datetime.now(UTC)).total_seconds()
    return f"in {in_words(left * 1000)}" if left > 0 else "now"
