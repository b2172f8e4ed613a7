"""Commands about the grid that the others speak to."""

import sys
from typing import Annotated
from urllib.parse import parse_qs, urldefrag

import typer

from nanogrid import __version__
from nanogrid.cli.render import print_json
from nanogrid.cli.session import session_of
from nanogrid.client import Client, discovery
from nanogrid.errors import ConfigError


def login(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The grid's address; with #token=… the token comes from it.")],
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token from stdin.")] = False,
) -> None:
    """Remember a grid and its token for this user; asks for the token, and tries it."""
    session = session_of(context)
    address, fragment = urldefrag(url)
    place = discovery.Place(discovery.checked(address), _token(fragment, from_stdin=token_stdin))
    with Client(place.url, place.token, environ={}) as client:
        next(client.functions(), None)
    if place.url.startswith("http:") and not discovery.is_loopback(place.url):
        session.err.print(f"The token travels to {place.url} unencrypted.", style="yellow", soft_wrap=True)
    path = discovery.keep_login(place, session.environ)
    session.out.print(f"Logged in to {place.url}; kept in {path}.", soft_wrap=True)


def logout(context: typer.Context) -> None:
    """Forget what `nanogrid login` remembers."""
    session = session_of(context)
    known = discovery.forget_login(session.environ)
    session.out.print("Logged out." if known else "There was no login.")


def openapi(context: typer.Context) -> None:
    """Print the grid's description of its HTTP API, OpenAPI 3.1."""
    with session_of(context).client() as client:
        print_json(client.openapi())


def version(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Print the version of this program."""
    if as_json:
        print_json({"version": __version__})
    else:
        session_of(context).out.print(__version__)


def _token(fragment: str, *, from_stdin: bool) -> str:
    given = parse_qs(fragment).get("token", [""])[0]
    if from_stdin:
        given = sys.stdin.readline().strip()
    elif not given and sys.stdin.isatty():
        given = typer.prompt("Token", hide_input=True, err=True)
    if not given:
        raise ConfigError("there is no token to log in with.", hint="Pipe it in with --token-stdin.")
    return given
