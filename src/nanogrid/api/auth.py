"""Who asks: a bearer token, always; and whether he may. Only digests of tokens are held and compared."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from nanogrid.errors import ScopeMissing, Unauthorized
from nanogrid.key_ring import token_digest
from nanogrid.model import Principal, Scope

__all__ = ["Auth", "Principal", "check_scopes", "token_digest"]

_HINT = "Send `Authorization: Bearer TOKEN`."


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Auth:
    """Finds who presents a token.

    The look-up is by the sha-256 of what was presented, so its timing tells nothing about a token that is held.
    """

    def __init__(self, principals: Mapping[str, Principal], *, now: Callable[[], datetime] = _utc_now) -> None:
        """`principals` maps `token_digest(token)` to who holds the token, and may change at any time."""
        self._principals = principals
        self._now = now

    def admitted(self, authorization: str | None, scopes: frozenset[Scope]) -> Principal:
        """Who sent this Authorization header, if any of the scopes is his. Raises `Unauthorized`, `ScopeMissing`."""
        principal = self.principal(authorization)
        check_scopes(principal, scopes)
        return principal

    def guest(self, authorization: str | None) -> Principal | None:
        """Who sent this Authorization header; None where it is nobody that this grid knows."""
        try:
            return self.principal(authorization)
        except Unauthorized:
            return None

    def principal(self, authorization: str | None) -> Principal:
        """Who sent this Authorization header. Raises `Unauthorized`."""
        if authorization is None:
            raise Unauthorized("the request carries no token.", hint=_HINT)
        scheme, _, token = authorization.partition(" ")
        principal = self._principals.get(token_digest(token.strip()))
        if principal is None or scheme.lower() != "bearer":
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
