"""Makes a version ready to run before anybody waits for it."""

import asyncio

from nanogrid.clock import Clock, milliseconds
from nanogrid.errors import SandboxUnavailable, VersionBroken
from nanogrid.model import Function, RunError
from nanogrid.ports import SandboxPool

#: How long a version may take to be loaded, in seconds.
_PATIENCE_S = 30.0


async def warm(pool: SandboxPool, clock: Clock, function: Function) -> float:
    """Load the version in a sandbox, and leave it there; how many milliseconds that took.

    Raises `VersionBroken` where its code cannot be loaded, `SandboxUnavailable` where there is no room in time.
    """
    began = clock.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            claim = await pool.acquire(function)
    except TimeoutError as exc:
        raise SandboxUnavailable(
            f"version {function.version} of {function.name!r} was not loaded within {_PATIENCE_S:.0f} seconds.",
            hint="The machine is busy, or the import takes too long; nothing has changed.",
        ) from exc
    if isinstance(claim, RunError):
        raise VersionBroken(
            f"version {function.version} of {function.name!r} cannot be loaded: {claim.type}: {claim.message}",
            hint="Nothing has changed; deploy a version that can.",
        )
    pool.release(claim)
    return milliseconds(clock.monotonic() - began)
