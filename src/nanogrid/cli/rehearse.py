"""`nanogrid aws rehearse`: the whole grid on an emulated AWS, before it costs anything."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.rehearsal_screen import print_report, watching
from nanogrid.cli.session import session_of
from nanogrid.errors import ConfigError


def rehearse(
    context: typer.Context,
    tasks: Annotated[int, typer.Option(min=200, help="How many tasks come in a burst.")] = 500,
    sandbox: Annotated[
        str, typer.Option(help="docker, bubblewrap, or auto: Docker where an engine answers and has the images.")
    ] = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report there, too.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the logs of all parts in this folder.")] = None,
) -> None:
    """Deploy the stack on an emulated AWS on this machine, and see it do its work.

    The template as it is shipped, the Lambdas, a real Redis, real workers in real sandboxes. The alarms and the Auto
    Scaling group, which no emulator has, are played. 500 tasks come in a burst, a worker is killed and Redis is started
    again in the middle; no task may be lost, and the workers go from 1 to 5 and back.
    """
    session = session_of(context)
    try:
        # The emulated AWS and AWS's client are optional parts of the installation.
        import ministack  # noqa: F401, PLC0415

        from nanogrid.cloud.rehearsal.rehearsal import rehearse as play  # noqa: PLC0415
        from nanogrid.cloud.rehearsal.report import Plan  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(f"{exc.name} is not installed.", hint="pip install 'nanogrid[rehearse]'") from exc
    folder = keep or Path(tempfile.mkdtemp(prefix="nanogrid-rehearsal-"))
    folder.mkdir(parents=True, exist_ok=True)
    with watching(session.out, tasks) as watcher:
        report = asyncio.run(play(Plan(tasks=tasks, sandbox=sandbox), watcher, folder.absolute()))
    print_report(session.out, report)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if report.faults:
        session.out.print(f"The logs of all parts are in {folder}.")
        raise typer.Exit(ExitCode.FAILED)
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)
