"""`nanogrid images`: what Docker sandboxes are started from."""

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.session import Session, session_of
from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.docker_base import find_mirror, make_base
from nanogrid.sandbox.docker_images import build_image, find_images, image_name
from nanogrid.sandbox.engine import Engine, engine_socket

_DEBOOTSTRAP = "debootstrap"
_DEFAULT_BASE = "debian:12-slim"
#: Docker has its default network only where it was not told otherwise, and the machine's own always.
_MACHINE_NETWORK = "host"


class Action(enum.StrEnum):
    """What to do with the images."""

    BUILD = "build"
    LIST = "list"


class Kind(enum.StrEnum):
    """Which image."""

    PYTHON = "python"
    NODEJS = "nodejs"
    COMMAND = "command"


def images(
    context: typer.Context,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="build, or list which there are.")],
    base: Annotated[
        str,
        typer.Option(
            help="Image to build on; or debootstrap: make one from Debian's packages, for which no image registry is "
            "needed, but root."
        ),
    ] = _DEFAULT_BASE,
    runtime: Annotated[
        list[Kind] | None, typer.Option(help="python, nodejs or command; all of them if not given. Repeatable.")
    ] = None,
) -> None:
    """Build or list the images that Docker sandboxes are started from."""
    session = session_of(context)
    if action is Action.LIST:
        asyncio.run(_list(session))
    else:
        asyncio.run(_build(session, base, [kind.value for kind in runtime or Kind]))


async def _build(session: Session, base: str, kinds: list[str]) -> None:
    async with _engine(session) as engine:
        for kind in kinds:
            session.err.print(f"Building {image_name(kind)} on {base} …", style="dim")
            try:
                built = await _build_one(session, engine, kind, base)
            except SandboxUnavailable as exc:
                hint = exc.hint or "Where no image registry can be reached: nanogrid images build --base debootstrap."
                raise SandboxUnavailable(exc.detail, hint=hint) from exc
            session.out.print(f"{image_name(kind)}  {built}")


async def _build_one(session: Session, engine: Engine, kind: str, base: str) -> str:
    """The runtime that the image has."""
    network = _MACHINE_NETWORK
    if base == _DEBOOTSTRAP:
        base = await make_base(engine, kind, find_mirror(), report=session.hint)
        network = "none"
    return (await build_image(engine, kind, base, network=network, report=session.hint)).runtime


async def _list(session: Session) -> None:
    async with _engine(session) as engine:
        found, missing = await find_images(engine)
    for image in found:
        session.out.print(f"{image.runtime}  {image.id}")
    for reason in missing:
        session.err.print(reason, style="yellow")
    if missing:
        session.err.print("Make them with: nanogrid images build", style="dim")
        raise typer.Exit(ExitCode.FAILED)


@asynccontextmanager
async def _engine(session: Session) -> AsyncIterator[Engine]:
    engine = Engine(engine_socket(session.environ.get("DOCKER_HOST", "")))
    try:
        await engine.agree()
        yield engine
    finally:
        await engine.close()
