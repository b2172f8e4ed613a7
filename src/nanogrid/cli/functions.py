"""Commands about functions, other than deploying one."""

from typing import Annotated

import typer
from rich.text import Text

from nanogrid.cli.render import ago, clean, clean_line, print_json, print_table, size
from nanogrid.cli.session import Session, session_of
from nanogrid.client import LogEntry
from nanogrid.identifiers import is_run_id

_LEVEL_STYLES = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}


def functions(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the functions."""
    session = session_of(context)
    with session.client() as client:
        found = list(client.functions())
    if as_json:
        print_json(found)
        return
    if not found:
        session.hint("There are no functions yet. Deploy one: nanogrid deploy hello.py")
        return
    print_table(
        session.out,
        ["NAME", "VERSION", "RUNTIME", "HANDLER", "MEMORY", "CODE", "UPDATED"],
        [
            (f.name, str(f.version), f.runtime, f.handler, f"{f.memory_mb} MB", size(f.code_size), ago(f.updated_at))
            for f in found
        ],
    )


def remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or ids of functions.")],
) -> None:
    """Delete functions, with all their versions."""
    session = session_of(context)
    with session.client() as client:
        for name in names:
            client.delete(name)
            session.out.print(f"Deleted {clean_line(name)}.")


def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A function's name or id, or a run's id.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines as they are written; Ctrl-C ends it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object to a line.")] = False,
) -> None:
    """Print what a function, or one run, wrote."""
    session = session_of(context)
    with session.client() as client:
        if is_run_id(name):
            run = client.get_run(name)
            print_json(run.logs) if as_json else _print_text(session, run.logs.text)
            return
        for entry in client.logs(name, follow=follow):
            _print_entry(session, entry, as_json=as_json)


def _print_entry(session: Session, entry: LogEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(entry)
    else:
        when = entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        style = _LEVEL_STYLES.get(entry.level or "", "")
        line = Text.assemble((f"{when} {entry.run_id} ", "dim"), (clean_line(entry.text.rstrip("\n")), style))
        session.out.print(line, soft_wrap=True)
    session.out.file.flush()


def _print_text(session: Session, text: str) -> None:
    session.out.print(clean(text), end="", soft_wrap=True)
