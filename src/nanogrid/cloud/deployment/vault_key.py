"""The key that seals secrets: made in KMS beside the stack, for what destroy keeps has to stay readable."""

from typing import Any

from botocore.exceptions import ClientError

from nanogrid.cloud.deployment.account import Account, code_of
from nanogrid.cloud.stack import VAULT_KEY

#: How long KMS lets one think better of it, in days; no less is possible.
_LAST_DAYS = 7


class VaultKey:
    """The key that the alias names."""

    def __init__(self, account: Account) -> None:
        """Nothing is asked yet."""
        self._kms: Any = account.client("kms")

    def exists(self) -> bool:
        """Whether there is one."""
        try:
            self._kms.describe_key(KeyId=VAULT_KEY)
        except ClientError as exc:
            if code_of(exc) == "NotFoundException":
                return False
            raise
        return True

    def ensure(self) -> None:
        """Make it where it is missing, renewed by KMS once a year. Roles find it by its alias alone."""
        if self.exists():
            return
        key = self._kms.create_key(Description="Seals the secrets of NanoGrid's functions")["KeyMetadata"]["KeyId"]
        self._kms.enable_key_rotation(KeyId=key)
        self._kms.create_alias(AliasName=VAULT_KEY, TargetKeyId=key)

    def forget(self) -> None:
        """Let it go: KMS deletes it in a week, and until then it can be called back there. Idempotent."""
        if not self.exists():
            return
        key = self._kms.describe_key(KeyId=VAULT_KEY)["KeyMetadata"]["KeyId"]
        self._kms.delete_alias(AliasName=VAULT_KEY)
        self._kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=_LAST_DAYS)
