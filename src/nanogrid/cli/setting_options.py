"""The options of the commands that set a function's settings."""

from collections.abc import Mapping
from typing import Annotated

import typer

from nanogrid.cli.durations import duration_ms
from nanogrid.errors import InvalidField
from nanogrid.model import Http, Network

Memory = Annotated[int | None, typer.Option(metavar="MB", help="Memory limit in MB, 128 to 10240.")]
AutoMemory = Annotated[
    int | None,
    typer.Option("--auto-memory", metavar="MB", help="How far memory may be raised by itself; 0 for a fixed one."),
]
Timeout = Annotated[
    int | None,
    typer.Option(
        "--timeout", parser=duration_ms, metavar="TIME", help="Time limit, such as 30 (seconds), 500ms or 2m."
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="Environment variable; NAME alone takes yours. Repeatable."),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="NAME=SECRET", help="Environment variable with a secret's value. Repeatable."),
]
Concurrency = Annotated[int | None, typer.Option(help="Most runs at once; 0 for as many as there is room.")]
Retries = Annotated[int | None, typer.Option(help="Further tries of a failed asynchronous run.")]
MaxAge = Annotated[
    int | None,
    typer.Option("--max-age-ms", help="Age at which an asynchronous run is not tried any more; 0: never."),
]
NetworkOption = Annotated[Network | None, typer.Option(help="What the function may reach.")]
HttpOption = Annotated[
    Http | None, typer.Option(help="Who may call it under /fn/NAME: nobody, who has a token, everybody.")
]


def environment_of(variables: list[str] | None, environ: Mapping[str, str]) -> dict[str, str] | None:
    """The variables by name; None where none was named."""
    if not variables:
        return None
    found = {}
    for variable in variables:
        name, equals, value = variable.partition("=")
        if not equals and name not in environ:
            raise InvalidField(f"{name} is not set here.", path="$.environment", hint=f"Write --env {name}=VALUE.")
        found[name] = value if equals else environ[name]
    return found


def secrets_of(pairs: list[str] | None) -> dict[str, str] | None:
    """Which secret each variable has; None where none was named."""
    if not pairs:
        return None
    for pair in pairs:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair!r} is no pair; write VARIABLE=SECRET.", param_hint="--secret")
    return dict(pair.split("=", 1) for pair in pairs)
