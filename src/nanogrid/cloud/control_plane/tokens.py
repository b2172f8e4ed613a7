"""Who asks, where keys and tokens are kept elsewhere: known from memory, and looked at again every two seconds.

One look is one small read; all are read again when it says that something has changed, and now and then in any case.
While nobody answers, what is known holds on: a hiccup must turn nobody away. But not for ever: after five minutes every
request is refused as unavailable, for a key may have been revoked by then. Little is lost by that, for hardly anything
can be done without the same store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from nanogrid.api.auth import Auth, Principal
from nanogrid.clock import Clock
from nanogrid.errors import PlatformError, StoreUnavailable, Unauthorized

#: Reads who holds which token, by its digest.
ReadTokens = Callable[[], Awaitable[Mapping[str, Principal]]]
#: Whether something has changed since then.
Look = Callable[[], Awaitable[bool]]
#: A key that was revoked is refused after this time at the latest, in seconds.
FRESH_S = 2.0
#: How often all is read though no look said so, in seconds; a change that was made but never told shows then.
FULL_S = 60.0
#: Whoever sends wrong tokens makes us read all no more often than this, and so does a store that is away, in seconds.
PAUSE_S = 5.0
#: How long what is known holds while nobody answers, in seconds.
GRACE_S = 300.0
#: How long a request waits for news where something is known, in seconds.
_PATIENCE_S = 5.0


class Tokens:
    """The tokens of a grid in one Lambda environment."""

    def __init__(self, read: ReadTokens, has_changed: Look, clock: Clock) -> None:
        """Nothing is read before the first request."""
        self._read = read
        self._has_changed = has_changed
        self._clock = clock
        self._auth: Auth | None = None
        #: When all was last tried to be read, when what is known was last certain, and when the next look is due.
        self._tried_at = self._certain_at = self._look_at = float("-inf")

    async def principal(self, authorization: str | None) -> Principal:
        """Who sent this Authorization header. Raises `Unauthorized`; `PlatformError` where nobody can tell."""
        auth = await self._fresh(FULL_S)
        try:
            return auth.principal(authorization)
        except Unauthorized:
            if authorization is None:
                raise
        # The token may be newer than what was read.
        return (await self._fresh(PAUSE_S)).principal(authorization)

    async def _fresh(self, full_s: float) -> Auth:
        """Who is known, certain enough; all are read again where that was not tried for so many seconds."""
        now = self._clock.monotonic()
        if self._auth is None:
            return await self._renewed(now)
        full, held = now - self._tried_at >= full_s, now - self._certain_at < GRACE_S
        if held and not full and now < self._look_at:
            return self._auth
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if full or await self._has_changed():
                    return await self._renewed(now)
        except (PlatformError, TimeoutError) as exc:
            self._look_at = now + PAUSE_S
            if held:
                return self._auth
            raise StoreUnavailable("who asks cannot be looked up.", hint="Try again in a moment.") from exc
        self._certain_at, self._look_at = now, now + FRESH_S
        return self._auth

    async def _renewed(self, now: float) -> Auth:
        self._tried_at = now
        self._auth = Auth(await self._read())
        self._certain_at, self._look_at = now, now + FRESH_S
        return self._auth
