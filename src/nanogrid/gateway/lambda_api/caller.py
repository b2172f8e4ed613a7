"""Who calls, and how his things are called: ARNs have the region that he signs for and an account of his tenant's."""

import hashlib

from nanogrid.key_ring import Signatory
from nanogrid.model import DEFAULT_TENANT, Record

_ACCOUNTS = 10**12


class Caller(Record, frozen=True, kw_only=True):
    """Somebody who has signed a request."""

    signatory: Signatory
    #: Any will do: a grid is where it is, whatever it is called.
    region: str

    @property
    def tenant(self) -> str:
        """Whose functions the request is about."""
        return self.signatory.principal.tenant

    @property
    def account(self) -> str:
        """The tenant as an account's number."""
        return account_of(self.tenant)

    @property
    def user_arn(self) -> str:
        """The key itself."""
        return f"arn:aws:iam::{self.account}:user/{self.signatory.principal.name}"

    def function_arn(self, name: str, qualifier: str = "") -> str:
        """A function, or a version or an alias of it."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn


def account_of(tenant: str) -> str:
    """Twelve digits that stand for the tenant."""
    if tenant == DEFAULT_TENANT:
        return "0" * 12
    number = int.from_bytes(hashlib.sha256(tenant.encode()).digest()[:8], "big")
    return f"{number % _ACCOUNTS:012d}"
