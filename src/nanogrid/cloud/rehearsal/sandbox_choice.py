"""Which sandboxes the rehearsal's workers have, and which runtimes are in them."""

import asyncio
import os

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.docker_images import find_images
from nanogrid.sandbox.docker_policy import NOBODY
from nanogrid.sandbox.docker_probe import check
from nanogrid.sandbox.engine import Engine, engine_socket
from nanogrid.sandbox.interpreters import find_interpreters


async def choose_sandbox(wanted: str) -> tuple[str, list[str]]:
    """The kind, and its runtimes, best first; `auto` is Docker where there is one with images, else bubblewrap.

    Raises `SandboxUnavailable` where what is wanted is not to be had.
    """
    if wanted in ("auto", "docker"):
        try:
            return "docker", await _in_docker()
        except SandboxUnavailable:
            if wanted == "docker":
                raise
    # Root's sandboxes run as users of their own, who see what anybody sees.
    uid = os.geteuid() or NOBODY
    offer = await asyncio.to_thread(find_interpreters, uid, search_path=os.environ.get("PATH", os.defpath))
    return ("bubblewrap" if wanted == "auto" else wanted), offer.runtimes()


async def _in_docker() -> list[str]:
    engine = Engine(engine_socket(os.environ.get("DOCKER_HOST", "")))
    try:
        await engine.agree()
        check(await engine.info())
        images, reasons = await find_images(engine)
    finally:
        await engine.close()
    runtimes = [image.runtime for image in images]
    if not any(runtime.startswith("python") for runtime in runtimes):
        raise SandboxUnavailable(f"{reasons[0]}.", hint="nanogrid images build")
    return runtimes
