"""Who asks: a bearer token, always; and whether he may. Only digests of tokens are held and compared."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from nanogrid.errors import ScopeMissing, Unauthorized
from nanogrid.key_ring import token_digest
from nanogrid.model import Principal, Scope

__all__ = ["Auth", "Principal", "check_scopes", "presented", "token_digest"]

_HINT = "Send `Authorization: Bearer TOKEN`."


def _utc_now() -> datetime:
    return datetime.now(UTC)


def presented(authorization: str | None) -> str | None:
    """What stands for the token of an Authorization header; "" where it has none, None where there is no header."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token_digest(token.strip()) if scheme.lower() == "bearer" else ""


class Auth:
    """Finds who presents a token.

    The look-up is by the sha-256 of what was presented, so its timing tells nothing about a token that is held.
    """

    def __init__(self, principals: Mapping[str, Principal], *, now: Callable[[], datetime] = _utc_now) -> None:
        """`principals` maps `token_digest(token)` to who holds the token, and may change at any time."""
        self._principals = principals
        self._now = now

    def admitted(self, digest: str | None, scopes: frozenset[Scope]) -> Principal:
        """Who has `presented` this, if any of the scopes is his. Raises `Unauthorized`, `ScopeMissing`."""
        principal = self.holder(digest)
        check_scopes(principal, scopes)
        return principal

    def guest(self, digest: str | None) -> Principal | None:
        """Who has `presented` this; None where it is nobody that this grid knows."""
        try:
            return self.holder(digest)
        except Unauthorized:
            return None

    def principal(self, authorization: str | None) -> Principal:
        """Who sent this Authorization header. Raises `Unauthorized`."""
        return self.holder(presented(authorization))

    def holder(self, digest: str | None) -> Principal:
        """Who has `presented` this. Raises `Unauthorized`."""
        if digest is None:
            raise Unauthorized("the request carries no token.", hint=_HINT)
        principal = self._principals.get(digest)
        if principal is None:
            raise Unauthorized("the token is not one of this grid.", hint=_HINT)
        if principal.expires_at is not None and principal.expires_at <= self._now():
            raise Unauthorized("the token has expired.", hint="`nanogrid keys create` makes another.")
        return principal


def check_scopes(principal: Principal, scopes: frozenset[Scope]) -> None:
    """Raise `ScopeMissing` where none of the scopes is the principal's."""
    if not scopes.isdisjoint(principal.scopes):
        return
    needed = " or ".join(f"`{scope}`" for scope in sorted(scopes))
    raise ScopeMissing(f"this needs a key with the scope {needed}.", hint="`nanogrid keys create` makes one.")
