"""What every command is given: where to print, and how to reach the grid."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import typer
from rich.console import Console

from nanogrid.cli.render import make_console
from nanogrid.client import Client


class Session:
    """One call of `nanogrid`."""

    def __init__(
        self, environ: Mapping[str, str], connect: Callable[[Mapping[str, str]], Client], *, debug: bool
    ) -> None:
        """`connect` makes the client for this environment; `debug` shows tracebacks."""
        self.environ = environ
        self.debug = debug
        self.out: Console = make_console()
        self.err: Console = make_console(stderr=True)
        self._connect = connect

    @contextmanager
    def client(self) -> Iterator[Client]:
        """The grid, for as long as the context lasts. Raises `ConnectionFailed` where none is known."""
        with self._connect(self.environ) as client:
            yield client

    def hint(self, text: str) -> None:
        """A line for a person; a program that reads stderr is not bothered with it."""
        if self.err.is_terminal:
            self.err.print(text, style="dim", soft_wrap=True)


def session_of(context: typer.Context) -> Session:
    """The session that the callback made for this call."""
    session = context.obj
    assert isinstance(session, Session)  # noqa: S101 - main makes it before any command
    return session
