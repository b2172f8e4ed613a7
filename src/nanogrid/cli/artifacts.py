"""The command about the files that runs left."""

from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from nanogrid.cli.render import clean_line, print_json, print_table, size
from nanogrid.cli.session import session_of
from nanogrid.client import ArtifactInfo
from nanogrid.errors import ConfigError

#: What no file's name has where it is saved: on some systems these lead elsewhere.
_LEADS_AWAY = frozenset("\\:\0")


def artifacts(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    download: Annotated[
        Path | None, typer.Option("--download", "-d", metavar="DIR", help="Save them all below this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the files that a run left in /tmp/output, or save them."""
    session = session_of(context)
    with session.client() as client:
        found = client.artifacts(run_id)
        for artifact in found if download is not None else ():
            assert download is not None  # noqa: S101 - the condition of the loop
            _save(target_of(download, artifact.path), client.artifact(run_id, artifact.path))
    if as_json:
        print_json(found)
    elif not found:
        session.hint("The run left no files.")
    elif download is None:
        print_table(session.out, ["PATH", "SIZE", "SHA-256"], [_row(artifact) for artifact in found])
    else:
        for artifact in found:
            session.out.print(clean_line(str(target_of(download, artifact.path))), soft_wrap=True)


def target_of(folder: Path, path: str) -> Path:
    """Where the file goes: below the folder, whatever the path says. Raises `ConfigError`."""
    segments = path.split("/")
    if any(segment in ("", ".", "..") or not _LEADS_AWAY.isdisjoint(segment) for segment in segments):
        raise ConfigError(f"{path!r} is no name to save a file under.", hint="Fetch this one with the SDK.")
    return folder.joinpath(*segments)


def _save(target: Path, content: bytes) -> None:
    """Whole or not at all; a file of that name is replaced, and a link of that name is not followed."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{token_hex(8)}")
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as exc:
        raise ConfigError(f"{target} cannot be written: {exc}.", hint="Name another folder with --download.") from exc


def _row(artifact: ArtifactInfo) -> tuple[str, ...]:
    return (clean_line(artifact.path), size(artifact.size), artifact.sha256[:12])
