"""Makes a version ready to run before anybody waits for it."""

import asyncio

from nanogrid.clock import Clock, milliseconds
from nanogrid.errors import PlatformError, SandboxUnavailable, VersionBroken
from nanogrid.model import Function, RunError
from nanogrid.ports import SandboxPool

#: How long a version may take to be loaded, in seconds.
_PATIENCE_S = 30.0
#: The same for a deployment, which goes on without.
_DEPLOYMENT_PATIENCE_S = 10.0


async def warm_successor(pool: SandboxPool, clock: Clock, function: Function) -> None:
    """Load a version before it takes over from one that is called; where no sandbox is to be had in time, do without.

    Raises `VersionBroken` where its code cannot be loaded.
    """
    try:
        await warm(pool, clock, function, patience_s=_DEPLOYMENT_PATIENCE_S)
    except PlatformError:
        # Its first run starts a sandbox then, as that of any version that nobody called before.
        return


async def warm(pool: SandboxPool, clock: Clock, function: Function, *, patience_s: float = _PATIENCE_S) -> float:
    """Load the version in a sandbox, and leave it there; how many milliseconds that took.

    Raises `VersionBroken` where its code cannot be loaded, `SandboxUnavailable` where there is no room in time.
    """
    began = clock.monotonic()
    try:
        async with asyncio.timeout(patience_s):
            claim = await pool.acquire(function)
    except TimeoutError as exc:
        raise SandboxUnavailable(
            f"version {function.version} of {function.name!r} was not loaded within {patience_s:.0f} seconds.",
            hint="The machine is busy, or the import takes too long; nothing has changed.",
        ) from exc
    if isinstance(claim, RunError):
        said = f"{claim.type}: {claim.message.rstrip('.')}"
        raise VersionBroken(
            f"version {function.version} of {function.name!r} cannot be loaded: {said}.",
            hint="Nothing has changed: what answered before goes on. Deploy a version that can be loaded.",
        )
    pool.release(claim)
    return milliseconds(clock.monotonic() - began)
