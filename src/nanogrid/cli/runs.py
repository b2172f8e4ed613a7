"""Commands about runs."""

import base64
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from msgspec import UNSET, Raw
from rich.text import Text

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.render import (
    ago,
    clean,
    clean_line,
    counted,
    milliseconds,
    print_fields,
    print_json,
    print_output,
    print_table,
    size,
    status_text,
)
from nanogrid.cli.session import Session, session_of
from nanogrid.client import FunctionInfo, RunInfo
from nanogrid.errors import ConfigError
from nanogrid.identifiers import is_run_id
from nanogrid.model import RunStatus, Usage

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")]


def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The function's name or id.")],
    text: Annotated[
        str, typer.Option("--input", "-i", metavar="JSON", help="The input: JSON, @FILE, or - for stdin.")
    ] = "{}",
    detach: Annotated[bool, typer.Option("--async", help="Do not wait: print the run's id.")] = False,
    wait: Annotated[
        float | None, typer.Option("--wait", min=0, help="Wait so many seconds at most; else until it ends.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print what the function yields while it does; Ctrl-C cancels the run.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Run a function and print its output; its logs go to stderr."""
    session = session_of(context)
    if stream and (detach or wait is not None):
        raise ConfigError("--stream waits for the end.", hint="Leave out --async and --wait.")
    if detach and wait is not None:
        raise ConfigError("--async does not wait, so that --wait makes no sense with it.", hint="Leave out one.")
    value = read_input(text)
    with session.client() as client:
        if stream:
            for part in client.stream(name, value):
                _print_part(session, part, as_json=as_json)
            return
        if detach:
            _print_submitted(session, client.get_run(client.submit(name, value).run_id), as_json=as_json)
            return
        _print_ended(session, client.invoke(name, value, timeout=wait), as_json=as_json)


def runs(
    context: typer.Context,
    function: Annotated[str | None, typer.Option("--function", "-f", help="Only of this function.")] = None,
    status: Annotated[RunStatus | None, typer.Option(help="Only with this status.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    as_json: _Json = False,
) -> None:
    """List runs, newest first."""
    session = session_of(context)
    with session.client() as client:
        found = list(client.runs(function, status=status, limit=limit))
    if as_json:
        print_json(found)
    elif not found:
        session.hint("There are no such runs.")
    else:
        print_table(session.out, ["RUN", "FUNCTION", "STATUS", "", "TOOK", "CREATED"], [_row(run) for run in found])


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME_OR_RUN", help="A function's name or id, or a run's id.")],
    as_json: _Json = False,
) -> None:
    """Print all that is known of a function or a run."""
    session = session_of(context)
    with session.client() as client:
        record: FunctionInfo | RunInfo = client.get_run(name) if is_run_id(name) else client.function(name)
    if as_json:
        print_json(record)
    elif isinstance(record, RunInfo):
        _print_run(session, record)
    else:
        print_fields(session.out, _function_fields(record))


def cancel(context: typer.Context, run_id: _RunId, as_json: _Json = False) -> None:
    """End a run, queued or running."""
    session = session_of(context)
    with session.client() as client:
        cancelled = client.cancel(run_id)
    print_json(cancelled) if as_json else session.out.print(f"Cancelled {cancelled.run_id}.")


def dead_letters(context: typer.Context, as_json: _Json = False) -> None:
    """List what the platform could not run."""
    session = session_of(context)
    with session.client() as client:
        found = list(client.dead_letters())
    if as_json:
        print_json(found)
    elif not found:
        session.hint("There are no dead letters.")
    else:
        rows = [(letter.run_id, letter.reason, str(letter.failures), ago(letter.buried_at)) for letter in found]
        print_table(session.out, ["RUN", "REASON", "FAILURES", "BURIED"], rows)


def redrive(context: typer.Context, run_id: _RunId, as_json: _Json = False) -> None:
    """Give a dead run another try."""
    session = session_of(context)
    with session.client() as client:
        again = client.redrive(run_id)
    print_json(again) if as_json else session.out.print(f"Run {again.run_id} is {again.status.value} again.")


def read_input(text: str) -> Raw:
    """The input as the JSON text that it is. Raises `ConfigError` where it is none."""
    if text == "-":
        text, where = sys.stdin.read(), "stdin"
    elif text.startswith("@"):
        text, where = _read_file(Path(text[1:])), text[1:]
    else:
        where = "--input"
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        hint = "A text needs its own quotes: --input '\"Ada\"'."
        raise ConfigError(f"{where} is not JSON: {exc}.", hint=hint) from exc
    return Raw(text.encode())


def _read_file(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}.", hint="--input @FILE wants a file of UTF-8 text.") from exc


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _print_part(session: Session, part: Any, *, as_json: bool) -> None:
    """Text as it is, without a line's end of ours; all else as a line of JSON."""
    if isinstance(part, bytes):
        part = base64.b64encode(part).decode() if as_json else part.decode(errors="replace")
    if isinstance(part, str) and not as_json:
        session.out.print(clean(part), end="", soft_wrap=True, highlight=False, markup=False)
    else:
        session.out.print(json.dumps(part, ensure_ascii=as_json), soft_wrap=True, highlight=False, markup=False)
    session.out.file.flush()


def _print_submitted(session: Session, submitted: RunInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(submitted)
        return
    session.out.print(submitted.run_id)
    session.hint(f"Look at it with: nanogrid show {submitted.run_id}")


def _print_ended(session: Session, ended: RunInfo, *, as_json: bool) -> None:
    """Print the run in the form asked for, and exit with what became of it."""
    if as_json:
        print_json(ended)
    else:
        _print_outcome(session, ended)
        if ended.artifacts:
            session.hint(f"It left {counted(len(ended.artifacts), 'file')}: nanogrid artifacts {ended.run_id}")
        session.err.print(_summary(ended), soft_wrap=True)
        if ended.status is not RunStatus.SUCCEEDED:
            session.hint(f"Why, and what to do: nanogrid explain {ended.run_id}")
    if ended.status is not RunStatus.SUCCEEDED:
        raise typer.Exit(ExitCode.OURS if ended.status is RunStatus.DEAD else ExitCode.FAILED)


def _print_outcome(session: Session, ended: RunInfo) -> None:
    """The logs, then the output or the error."""
    if text := clean(ended.logs.text):
        session.err.print(text, style="dim", end="" if text.endswith("\n") else "\n", soft_wrap=True)
    if ended.status is RunStatus.SUCCEEDED:
        print_output(session.out, bytes(ended.output_json))
    elif ended.error:
        failed = Text.assemble((clean_line(ended.error.type), "bold red"), f": {clean(ended.error.message)}")
        session.err.print(failed, soft_wrap=True)
        for frame in ended.error.stack_trace:
            session.err.print(f"  {clean_line(frame)}", style="dim", soft_wrap=True)


def _summary(ended: RunInfo) -> Text:
    usage = ended.usage
    start = f"cold {milliseconds(usage.init_ms)}" if usage.cold_start else "warm"
    return Text(f"{ended.status.value} · {start} · ran {milliseconds(usage.duration_ms)} · {ended.run_id}", style="dim")


def _row(listed: RunInfo) -> tuple[str | Text, ...]:
    start = "cold" if listed.usage.cold_start else "warm"
    took = (start, milliseconds(listed.usage.duration_ms)) if listed.status.ended and listed.started_at else ("", "")
    return (listed.run_id, listed.function_name, status_text(listed.status), *took, ago(listed.created_at))


def _print_run(session: Session, shown: RunInfo) -> None:
    usage = shown.usage
    fields: list[tuple[str, str | Text]] = [
        ("run", shown.run_id),
        ("function", f"{shown.function_name}, version {shown.version}"),
        ("status", status_text(shown.status)),
        ("created", f"{shown.created_at.isoformat()} ({ago(shown.created_at)})"),
    ]
    if shown.trigger is not None:
        fields.append(("schedule", f"{shown.trigger.schedule}, due at {shown.trigger.due_at.isoformat()}"))
    if shown.started_at:
        start = f"cold, {milliseconds(usage.init_ms)} to load" if usage.cold_start else "warm"
        fields += [
            ("attempt", str(shown.attempt)),
            ("queued", milliseconds(usage.queued_ms)),
            ("start", start),
            ("ran", milliseconds(usage.duration_ms)),
            ("memory", f"{usage.peak_memory_mb:.0f} MB at most{_raised(usage)}"),
        ]
    if shown.artifacts:
        fields.append(("artifacts", f"{len(shown.artifacts)}: nanogrid artifacts {shown.run_id}"))
    if shown.input_json is not UNSET:
        fields.append(("input", _short(bytes(shown.input_json))))
    print_fields(session.out, fields)
    _print_outcome(session, shown)


def _short(text: bytes, most: int = 500) -> str:
    return text[:most].decode(errors="ignore") + ("…" if len(text) > most else "")


def _function_fields(function: FunctionInfo) -> list[tuple[str, Any]]:
    fields = [
        ("function", function.name),
        ("id", function.function_id),
        ("version", str(function.version)),
        ("runtime", function.runtime),
        ("handler", function.handler),
        ("memory", _memory(function)),
        ("timeout", milliseconds(function.timeout_ms)),
        ("environment", ", ".join(sorted(function.environment)) or "none"),
        ("secrets", ", ".join(f"{k} from {v}" for k, v in sorted(function.secrets.items())) or "none"),
        ("network", function.network.value),
        ("concurrency", str(function.concurrency or "as there is room")),
        ("retries", str(function.retries)),
        ("code", f"{size(function.code_size)}, sha-256 {function.code_sha256}"),
        ("updated", f"{function.updated_at.isoformat()} ({ago(function.updated_at)})"),
    ]
    if function.note:
        fields.append(("made because", function.note))
    if function.recommended_memory_mb:
        fields.append(("recommended", f"{function.recommended_memory_mb} MB, by the runs so far"))
    return fields


def _memory(function: FunctionInfo) -> str:
    by_itself = f", raised by itself up to {function.auto_memory_mb} MB" if function.auto_memory_mb else ""
    return f"{function.memory_mb} MB{by_itself}"


def _raised(usage: Usage) -> str:
    return f"; its memory was raised to {usage.raised_memory_mb} MB" if usage.raised_memory_mb else ""
