"""The grid's tokens at SSM: their digests only, encrypted."""

import json
import secrets

import msgspec
from botocore.exceptions import ClientError
from msgspec import Raw

from nanogrid.api.auth import token_digest
from nanogrid.backends.aws.record_store import stored_item
from nanogrid.backends.aws.tables import FUNCTIONS
from nanogrid.cloud.deployment.account import Account, code_of
from nanogrid.cloud.stack import TOKENS_PARAMETER
from nanogrid.key_ring import CHANGES
from nanogrid.model import StoredRecord

_OWNER = "owner"


class TokenStore:
    """Makes tokens and keeps what can be told of them."""

    def __init__(self, account: Account) -> None:
        """Nothing is read yet."""
        self._ssm = account.client("ssm")
        self._dynamodb = account.client("dynamodb")

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
        self._tell_lambdas()
        return token

    def _tell_lambdas(self) -> None:
        """As the key ring does it: what they look at every few seconds is another, so that they read all again."""
        kind, name = CHANGES
        item = stored_item(StoredRecord(kind=kind, name=name, value=Raw(b"{}"), revision=secrets.token_hex(8)))
        try:
            self._dynamodb.put_item(TableName=FUNCTIONS.name, Item=msgspec.to_builtins(item, builtin_types=(bytes,)))
        except ClientError as exc:
            # Before the first stack there is no table, and nobody who has read anything.
            if code_of(exc) != "ResourceNotFoundException":
                raise

    def forget(self) -> None:
        """Remove them all. Idempotent."""
        try:
            self._ssm.delete_parameter(Name=TOKENS_PARAMETER)
        except ClientError as exc:
            if code_of(exc) != "ParameterNotFound":
                raise
