"""Commands about versions: listing them, going back, aliases."""

from typing import Annotated

import typer

from nanogrid.cli.render import ago, milliseconds, print_json, print_table, size
from nanogrid.cli.session import session_of
from nanogrid.client import AliasInfo

_Name = Annotated[str, typer.Argument(help="A function's name or id.")]
_Alias = Annotated[str, typer.Argument(help="The alias, such as live.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def versions(context: typer.Context, name: _Name, as_json: _Json = False) -> None:
    """List a function's versions, latest first."""
    session = session_of(context)
    with session.client() as client:
        found = client.versions(name)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            str(f.version),
            f.runtime,
            f"{f.memory_mb} MB",
            milliseconds(f.timeout_ms),
            size(f.code_size),
            f.code_sha256[:12],
        )
        for f in found
    ]
    made = [(ago(f.updated_at), f.note) for f in found]
    headings = ["VERSION", "RUNTIME", "MEMORY", "TIMEOUT", "CODE", "SHA-256", "MADE", ""]
    print_table(session.out, headings, [(*row, *how) for row, how in zip(rows, made, strict=True)])


def rollback(
    context: typer.Context,
    name: _Name,
    version: Annotated[int | None, typer.Argument(min=1, help="The version; else the one before the latest.")] = None,
    as_json: _Json = False,
) -> None:
    """Make a new version that is as an earlier one; it is warm before runs go to it."""
    session = session_of(context)
    with session.client() as client:
        function = client.rollback(name, version)
    if as_json:
        print_json(function)
    else:
        back_to = f"version {version}" if version else "the version before"
        session.out.print(f"{function.name} is at version {function.version}, as {back_to} was.")


def tune(
    context: typer.Context,
    name: _Name,
    apply: Annotated[bool, typer.Option("--apply", help="Make a version with what is recommended.")] = False,
    as_json: _Json = False,
) -> None:
    """Show the memory and timeout that recent runs recommend: their 99th percentile, with room above it."""
    session = session_of(context)
    with session.client() as client:
        before = client.function(name)
        after = client.tune(name) if apply else before
    if as_json:
        print_json(after)
        return
    memory_mb, timeout_ms = before.recommended_memory_mb, before.recommended_timeout_ms
    if memory_mb is None or timeout_ms is None:
        session.out.print(f"No run of version {before.version} has ended yet; run it some times on real input first.")
        return
    rows = [
        ("memory", f"{before.memory_mb} MB", f"{memory_mb} MB"),
        ("timeout", milliseconds(before.timeout_ms), milliseconds(timeout_ms)),
    ]
    print_table(session.out, ["", "NOW", "RECOMMENDED"], rows)
    if after.version != before.version:
        session.out.print(f"{after.name} is at version {after.version} with these.")


def set_alias(
    context: typer.Context,
    name: _Name,
    alias: _Alias,
    version: Annotated[int, typer.Argument(min=1, help="The version that it means.")],
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight", "-w", metavar="VERSION=SHARE", help="Another version's share, such as 7=0.1. Repeatable."
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Let an alias mean a version; it moves when that is warm. Run it as NAME:ALIAS."""
    session = session_of(context)
    with session.client() as client:
        moved = client.set_alias(name, alias, version, weights=dict(map(_weight, weights or [])))
    if as_json:
        print_json(moved)
        return
    waited = "" if moved.warm_ms is None else f", warm after {milliseconds(moved.warm_ms)}"
    session.out.print(f"{name}:{alias} is {_meaning(moved)}{waited}.")


def list_aliases(context: typer.Context, name: _Name, as_json: _Json = False) -> None:
    """List a function's aliases."""
    session = session_of(context)
    with session.client() as client:
        found = client.aliases(name)
    if as_json:
        print_json(found)
    elif not found:
        session.hint(f"There are no aliases. Make one: nanogrid alias set {name} live 1")
    else:
        print_table(
            session.out, ["ALIAS", "MEANS", "MOVED"], [(a.alias, _meaning(a), ago(a.updated_at)) for a in found]
        )


def remove_alias(context: typer.Context, name: _Name, alias: _Alias) -> None:
    """Delete an alias; the versions that it meant stay."""
    session = session_of(context)
    with session.client() as client:
        client.delete_alias(name, alias)
    session.out.print(f"Deleted {name}:{alias}.")


def _weight(text: str) -> tuple[int, float]:
    version, _, share = text.partition("=")
    try:
        return int(version), float(share)
    except ValueError as exc:
        raise typer.BadParameter(f"{text!r} is no weight; write VERSION=SHARE, such as 7=0.1.") from exc


def _meaning(alias: AliasInfo) -> str:
    others = "".join(f", {share:.3g} of runs version {version}" for version, share in alias.weights.items())
    return f"version {alias.version}{others}"
