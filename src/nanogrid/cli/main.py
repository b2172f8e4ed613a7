"""The command `nanogrid`: its commands as one table, its errors as one or two lines."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from nanogrid.cli import (
    artifacts,
    aws,
    backup,
    bench,
    configure,
    deploy,
    doctor,
    explain,
    functions,
    grid,
    images,
    keys,
    rehearse,
    runs,
    schedules,
    secrets,
    up,
    versions,
    worker,
)
from nanogrid.cli.exits import ExitCode, exit_code
from nanogrid.cli.render import clean, make_console
from nanogrid.cli.session import Session, session_of
from nanogrid.client import Client
from nanogrid.errors import NanoGridError

#: name (of a group and a command in it, where it is two words), what it calls, where it stands in the help
_COMMANDS: list[tuple[str, Callable[..., None], str]] = [
    ("up", up.up, "A grid"),
    ("worker", worker.worker, "A grid"),
    ("doctor", doctor.doctor, "A grid"),
    ("bench", bench.bench, "A grid"),
    ("backup", backup.backup, "A grid"),
    ("restore", backup.restore, "A grid"),
    ("images", images.images, "A grid"),
    ("login", grid.login, "A grid"),
    ("logout", grid.logout, "A grid"),
    ("openapi", grid.openapi, "A grid"),
    ("version", grid.version, "A grid"),
    ("deploy", deploy.deploy, "Functions"),
    ("functions", functions.functions, "Functions"),
    ("rm", functions.remove, "Functions"),
    ("logs", functions.logs, "Functions"),
    ("versions", versions.versions, "Functions"),
    ("rollback", versions.rollback, "Functions"),
    ("configure", configure.configure, "Functions"),
    ("tune", versions.tune, "Functions"),
    ("alias set", versions.set_alias, "Functions"),
    ("alias list", versions.list_aliases, "Functions"),
    ("alias rm", versions.remove_alias, "Functions"),
    ("schedule add", schedules.add, "Functions"),
    ("schedule list", schedules.list_schedules, "Functions"),
    ("schedule show", schedules.show, "Functions"),
    ("schedule set", schedules.change, "Functions"),
    ("schedule pause", schedules.pause, "Functions"),
    ("schedule resume", schedules.resume, "Functions"),
    ("schedule rm", schedules.remove, "Functions"),
    ("run", runs.run, "Runs"),
    ("runs", runs.runs, "Runs"),
    ("show", runs.show, "Runs"),
    ("explain", explain.explain, "Runs"),
    ("artifacts", artifacts.artifacts, "Runs"),
    ("cancel", runs.cancel, "Runs"),
    ("dead-letters", runs.dead_letters, "Runs"),
    ("redrive", runs.redrive, "Runs"),
    ("secrets set", secrets.set_secret, "Functions"),
    ("secrets list", secrets.list_secrets, "Functions"),
    ("secrets rm", secrets.remove, "Functions"),
    ("secrets rotate", secrets.rotate, "Functions"),
    ("keys create", keys.create, "Keys"),
    ("keys list", keys.list_keys, "Keys"),
    ("keys revoke", keys.revoke, "Keys"),
    ("quota", keys.quota, "Keys"),
    ("aws deploy", aws.deploy, "AWS"),
    ("aws status", aws.status, "AWS"),
    ("aws logs", aws.logs, "AWS"),
    ("aws destroy", aws.destroy, "AWS"),
    ("aws rehearse", rehearse.rehearse, "AWS"),
]
_GROUPS = {
    "alias": "Names for versions: run NAME:ALIAS.",
    "keys": "Make, list and revoke keys.",
    "schedule": "Run functions at certain times.",
    "secrets": "What functions must know and nobody may read.",
    "aws": "The same grid in your AWS account.",
}


def make_app(
    *,
    environ: Mapping[str, str] = os.environ,
    connect: Callable[[Mapping[str, str]], Client] = lambda environ: Client(environ=environ),
) -> typer.Typer:
    """The whole command line, reaching grids by `connect`."""
    app = typer.Typer(
        help="Run functions: deploy code once, run it by name, isolated.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def main(
        context: typer.Context,
        debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    ) -> None:
        context.obj = Session(environ, connect, debug=debug)

    groups: dict[str, typer.Typer] = {}
    for name, command, panel in _COMMANDS:
        group, _, own = name.rpartition(" ")
        if group and group not in groups:
            groups[group] = typer.Typer(no_args_is_help=True)
            app.add_typer(groups[group], name=group, help=_GROUPS[group], rich_help_panel=panel)
        groups.get(group, app).command(own, rich_help_panel=panel)(_guarded(command))
    return app


def run() -> None:
    """The entry point: run the command that was typed, and exit."""
    try:
        make_app()()
    # The top of the program: what arrives here is a fault of ours, and still ends in a line and an exit code.
    except Exception as exc:  # noqa: BLE001
        if "--debug" in sys.argv:
            traceback.print_exception(exc)
        kind = type(exc).__name__
        _report(NanoGridError(f"nanogrid failed: {kind}: {exc}", hint="Add --debug before the command to see where."))
        sys.exit(ExitCode.OURS)


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose errors of ours become lines on stderr and an exit code."""

    @wraps(command)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except NanoGridError as exc:
            if session_of(kwargs["context"]).debug:
                traceback.print_exception(exc)
            else:
                _report(exc)
            raise typer.Exit(exit_code(exc)) from exc

    return call


def _report(error: NanoGridError) -> None:
    console = make_console(stderr=True)
    console.print("error: ", style="bold red", end="")
    console.print(clean(error.detail), soft_wrap=True)
    if error.hint:
        console.print(clean(error.hint), style="dim", soft_wrap=True)
