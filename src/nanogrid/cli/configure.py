"""`nanogrid configure`: other settings for a function, the code as it is."""

from typing import Annotated

import typer

from nanogrid.cli.render import print_json
from nanogrid.cli.session import session_of
from nanogrid.cli.setting_options import (
    AutoMemory,
    Concurrency,
    HttpOption,
    MaxAge,
    Memory,
    NetworkOption,
    Retries,
    Secrets,
    Timeout,
    Variables,
    environment_of,
    secrets_of,
)
from nanogrid.errors import ConfigError


def configure(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The function's name or id.")],
    handler: Annotated[str | None, typer.Option(help="MODULE.FUNCTION, or an executable of the archive.")] = None,
    memory: Memory = None,
    auto_memory: AutoMemory = None,
    timeout_ms: Timeout = None,
    variables: Variables = None,
    secret: Secrets = None,
    concurrency: Concurrency = None,
    retries: Retries = None,
    max_age_ms: MaxAge = None,
    network: NetworkOption = None,
    http: HttpOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a version of a function with other settings, and the code that it has.

    Settings that are not given stay as they are; --env and --secret replace all of theirs.
    """
    session = session_of(context)
    settings = {
        "handler": handler,
        "memory_mb": memory,
        "auto_memory_mb": auto_memory,
        "timeout_ms": timeout_ms,
        "environment": environment_of(variables, session.environ),
        "secrets": secrets_of(secret),
        "concurrency": concurrency,
        "retries": retries,
        "max_age_ms": max_age_ms,
        "network": network,
        "http": http,
    }
    changed = {setting: value for setting, value in settings.items() if value is not None}
    if not changed:
        raise ConfigError("no setting was given.", hint=f"Such as: nanogrid configure {name} --memory 512")
    with session.client() as client:
        function = client.configure(name, **changed)
    if as_json:
        print_json(function)
    else:
        session.out.print(f"{function.name} is at version {function.version}, with the code it had.")
