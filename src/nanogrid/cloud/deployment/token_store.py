"""The grid's tokens at SSM: their digests only, encrypted."""

import json
import secrets

from botocore.exceptions import ClientError

from nanogrid.api.auth import token_digest
from nanogrid.cloud.deployment.account import Account, code_of
from nanogrid.cloud.stack import TOKENS_PARAMETER

_OWNER = "owner"


class TokenStore:
    """Makes tokens and keeps what can be told of them."""

    def __init__(self, account: Account) -> None:
        """Nothing is read yet."""
        self._ssm = account.client("ssm")

    def digests(self) -> dict[str, str]:
        """Who holds which token, by digest; empty before the first."""
        try:
            value = self._ssm.get_parameter(Name=TOKENS_PARAMETER, WithDecryption=True)["Parameter"]["Value"]
        except ClientError as exc:
            if code_of(exc) == "ParameterNotFound":
                return {}
            raise
        digests: dict[str, str] = json.loads(value)
        return digests

    def renew(self) -> str:
        """A new token for the owner; all others are taken back. It is told once and can't be read again."""
        token = secrets.token_urlsafe(32)
        digests = json.dumps({token_digest(token): _OWNER})
        self._ssm.put_parameter(Name=TOKENS_PARAMETER, Value=digests, Type="SecureString", Overwrite=True)
        return token

    def forget(self) -> None:
        """Remove them all. Idempotent."""
        try:
            self._ssm.delete_parameter(Name=TOKENS_PARAMETER)
        except ClientError as exc:
            if code_of(exc) != "ParameterNotFound":
                raise
