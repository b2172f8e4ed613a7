"""`nanogrid backup` and `nanogrid restore`: a grid's whole state in one file, and back."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanogrid import config
from nanogrid.cli.render import counted, size
from nanogrid.cli.session import Session, session_of

if TYPE_CHECKING:
    from nanogrid.bootstrap.restoring import Restored

Data = Annotated[Path | None, typer.Option(help="The grid's data folder; where `up` keeps it if not given.")]


def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.")],
    data: Data = None,
) -> None:
    """Write a grid's whole state into one file, while the grid runs or not.

    Functions, code, runs, dead letters, keys and the token are in it: keep it as you keep the token.
    """
    session = session_of(context)
    folder = config.load(session.environ, {"data": data}).data
    from nanogrid.bootstrap import back_up  # noqa: PLC0415 - it is most of the program, and others need not wait for it

    manifest = asyncio.run(back_up(folder, target.absolute()))
    session.out.print(f"{target}: {counted(len(manifest.files), 'file')}, {size(manifest.size)}")


def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `nanogrid backup` has written.")],
    data: Data = None,
) -> None:
    """Make a new data folder of a backup; `nanogrid up` goes on from there.

    Everything is checked first. A folder that is not empty is refused, and so is a backup that is not whole.
    """
    session = session_of(context)
    folder = config.load(session.environ, {"data": data}).data
    from nanogrid.bootstrap import restore as restore_into  # noqa: PLC0415 - as above

    restored = asyncio.run(restore_into(source.absolute(), folder))
    session.out.print(f"{folder}: as it was on {restored.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC")
    _warn(session, restored, folder)
    session.hint(f"Start it with: nanogrid up --data {folder}")


def _warn(session: Session, restored: "Restored", folder: Path) -> None:
    """Say what the backup has no key for: it would be found out by the first run that needs it."""
    key = folder / "vault.key"
    why = f"{key} does not open them" if key.name in restored.manifest.files else f"the backup has no {key.name}"
    said = []
    if restored.locked_secrets:
        count = counted(len(restored.locked_secrets), "secret")
        said.append(f"{count} cannot be read, for {why}: {', '.join(restored.locked_secrets)}.")
        said.append(f"Put the right key at {key} before the grid starts, or set them again: nanogrid secrets set NAME")
    if restored.locked_keys:
        said.append(f"These keys cannot sign any more, for {why}: {', '.join(restored.locked_keys)}.")
    for line in said:
        session.err.print(line, style="yellow", soft_wrap=True)
