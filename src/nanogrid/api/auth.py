"""Who asks: a bearer token, always. Only digests of tokens are held, and only digests are compared."""

import hashlib
from collections.abc import Mapping

from nanogrid.errors import Unauthorized
from nanogrid.model import Principal

__all__ = ["Auth", "Principal", "token_digest"]


class Auth:
    """Finds who presents a token.

    The look-up is by the sha-256 of what was presented, so its timing tells nothing about a token that is held.
    """

    def __init__(self, principals: Mapping[str, Principal]) -> None:
        """`principals` maps `token_digest(token)` to who holds the token."""
        self._principals = dict(principals)

    def principal(self, authorization: str | None) -> Principal:
        """Who sent this Authorization header. Raises `Unauthorized`."""
        if authorization is None:
            raise Unauthorized("the request carries no token.", hint="Send `Authorization: Bearer TOKEN`.")
        scheme, _, token = authorization.partition(" ")
        principal = self._principals.get(token_digest(token.strip()))
        if principal is None or scheme.lower() != "bearer":
            raise Unauthorized("the token is not one of this grid.", hint="Send `Authorization: Bearer TOKEN`.")
        return principal


def token_digest(token: str) -> str:
    """What stands for a token wherever it is kept: its sha-256 as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
