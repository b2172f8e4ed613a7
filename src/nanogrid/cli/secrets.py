"""Commands about secrets. No value is an argument: those stand in the shell's history, and in everybody's `ps`."""

import sys
from typing import Annotated

import typer

from nanogrid.cli.render import ago, counted, print_json, print_table
from nanogrid.cli.session import session_of

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def set_secret(context: typer.Context, name: Annotated[str, typer.Argument(help="The secret's name.")]) -> None:
    """Keep a secret, read from stdin; on a terminal it is asked for. One line end at its end is left out."""
    session = session_of(context)
    if sys.stdin.isatty():
        value = typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    with session.client() as client:
        client.set_secret(name, value)
    session.out.print(f"Kept {name}. A function gets it by: nanogrid deploy PATH --secret VARIABLE={name}")


def list_secrets(context: typer.Context, as_json: _Json = False) -> None:
    """List secrets by name; their values are never shown."""
    session = session_of(context)
    with session.client() as client:
        found = list(client.secrets())
    if as_json:
        print_json(found)
    elif not found:
        session.hint("There are no secrets. Keep one: nanogrid secrets set NAME")
    else:
        rows = [(secret.name, ago(secret.updated_at), ago(secret.created_at)) for secret in found]
        print_table(session.out, ["SECRET", "SET", "MADE"], rows)


def remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of secrets.")],
) -> None:
    """Delete secrets; functions that name them cannot be loaded any more."""
    session = session_of(context)
    with session.client() as client:
        for name in names:
            client.delete_secret(name)
            session.out.print(f"Deleted {name}.")


def rotate(context: typer.Context, as_json: _Json = False) -> None:
    """Seal all secrets anew under a new key, which takes the old one's place. The grid's owner only.

    Interrupted half-way nothing is lost: every secret still opens, and the next rotation goes on.
    """
    session = session_of(context)
    with session.client() as client:
        count = client.rotate_vault()
    if as_json:
        print_json({"secrets": count})
    else:
        session.out.print(f"Sealed {counted(count, 'secret')} under a new key.")
        session.hint("Backups of before have the old key in them: keep them as long as you would keep the secrets.")
