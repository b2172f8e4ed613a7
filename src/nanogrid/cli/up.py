"""`nanogrid up`: one grid on this machine."""

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.console import Console
from rich.text import Text

from nanogrid import config
from nanogrid.cli.render import print_fields
from nanogrid.cli.session import session_of

if TYPE_CHECKING:
    from nanogrid.bootstrap import Started


def up(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one; 8080 if not given.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds all state.")] = None,
    sandbox: Annotated[
        str | None,
        typer.Option(help="auto, bubblewrap, docker, or process: without isolation, for code you trust as yourself."),
    ] = None,
    docker_runtime: Annotated[
        str | None, typer.Option(help="What Docker starts containers with, such as runsc (gVisor).")
    ] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines reach the address.")] = False,
    log_format: Annotated[str | None, typer.Option(help="human or json.")] = None,
) -> None:
    """Start a grid on this machine, and run it until Ctrl-C or SIGTERM.

    Every option can also come from the environment, as NANOGRID_PORT and so on.
    """
    session = session_of(context)
    given = {
        "host": host,
        "port": port,
        "data": data,
        "sandbox": sandbox,
        "docker_runtime": docker_runtime,
        "allow_remote": allow_remote or None,
        "log_format": log_format,
    }
    settings = config.load(session.environ, given)
    # A grid is most of the program; the commands that only speak to one shall not wait for it to be imported.
    from nanogrid.bootstrap import serve  # noqa: PLC0415

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, on_ready=lambda started: print_banner(session.out, started)))


def print_banner(console: Console, started: "Started") -> None:
    """Where the grid is, and what to do with it."""
    console.print()
    console.print(Text.assemble(("NanoGrid", "bold"), " listens on ", (started.url, "bold cyan")), soft_wrap=True)
    console.print()
    print_fields(
        console,
        [
            ("console", started.console_url),
            ("token", f"in {started.token_file}"),
            ("data", str(started.data)),
            ("sandbox", _sandbox(started.sandbox)),
            ("runtimes", ", ".join(started.runtimes)),
        ],
    )
    for note in started.notes:
        console.print(f"\n{note}", style="yellow")
    console.print("\nIn another terminal:", style="dim")
    for line in _first_steps(started):
        console.print(f"  {line}", soft_wrap=True)
    console.print("\nCtrl-C stops it.", style="dim")
    # Whoever started us through a pipe waits for these lines.
    console.file.flush()


def _sandbox(kind: str) -> Text:
    if kind != "process":
        return Text(kind)
    return Text("process: NO ISOLATION. Functions can do whatever this user can.", style="bold white on red")


def _first_steps(started: "Started") -> list[str]:
    steps = ["nanogrid deploy hello.py", """nanogrid run hello --input '{"name": "Ada"}'"""]
    if started.data == config.default_data_folder():
        return steps
    return [f"export NANOGRID_DATA={shlex.quote(str(started.data))}", *steps]
