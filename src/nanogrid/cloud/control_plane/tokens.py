"""Who asks, where tokens are known elsewhere: read at the first request, and again when they may have changed."""

from collections.abc import Awaitable, Callable, Mapping

from nanogrid.api.auth import Auth, Principal
from nanogrid.clock import Clock
from nanogrid.errors import PlatformError, Unauthorized

#: Reads who holds which token, by its digest.
ReadTokens = Callable[[], Awaitable[Mapping[str, Principal]]]
#: A token that was taken back is refused after this time at the latest, in seconds.
FRESH_S = 60.0
#: Whoever sends wrong tokens makes us read no more often than this, in seconds.
PAUSE_S = 5.0


class Tokens:
    """The tokens of a grid in one Lambda environment."""

    def __init__(self, read: ReadTokens, clock: Clock) -> None:
        """Nothing is read before the first request."""
        self._read = read
        self._clock = clock
        self._auth: Auth | None = None
        self._read_at = 0.0

    async def principal(self, authorization: str | None) -> Principal:
        """Who sent this Authorization header. Raises `Unauthorized`, and what reading raises before it worked once."""
        auth = await self._fresh(FRESH_S)
        try:
            return auth.principal(authorization)
        except Unauthorized:
            if authorization is None:
                raise
        # The token may be newer than what was read.
        return (await self._fresh(PAUSE_S)).principal(authorization)

    async def _fresh(self, age_s: float) -> Auth:
        now = self._clock.monotonic()
        if self._auth is not None and now - self._read_at < age_s:
            return self._auth
        try:
            principals = await self._read()
        except PlatformError:
            if self._auth is None:
                raise
            # What was known is better than turning everybody away; the next read is not far.
            self._read_at = now - FRESH_S + PAUSE_S
            return self._auth
        self._auth = Auth(principals)
        self._read_at = now
        return self._auth
