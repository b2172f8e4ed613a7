"""Removes the stack; what it holds for people stays, unless they say otherwise."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from nanogrid.cloud.deployment.account import Account, code_of, plainly
from nanogrid.cloud.deployment.artifact_store import empty_bucket
from nanogrid.cloud.deployment.stacks import Event, Pause, Stacks
from nanogrid.cloud.deployment.token_store import TokenStore
from nanogrid.cloud.deployment.vault_key import VaultKey
from nanogrid.cloud.stack import TABLES, artifact_bucket, code_bucket
from nanogrid.errors import Conflict


class Removal:
    """One `nanogrid aws destroy`."""

    def __init__(self, account: Account, pause: Pause) -> None:
        """Nothing is asked or done yet."""
        self._account = account
        self._stacks = Stacks(account, pause)

    def exists(self) -> bool:
        """Whether there is a stack. Raises `Conflict` while something is being done to it."""
        with plainly():
            state = self._stacks.state()
        if state is not None and state.moving:
            raise Conflict(f"the stack is {state.status}.", hint="`nanogrid aws status` tells when it has settled.")
        return state is not None

    def kept(self) -> list[str]:
        """What stays when the stack goes: the names of what is there now."""
        names = [*self._tables(), *self._buckets()]
        with plainly():
            if VaultKey(self._account).exists():
                names.append("the vault's key")
            return [*names, *(["the tokens"] if TokenStore(self._account).digests() else [])]

    def carry_out(self) -> Iterator[Event]:
        """Delete the stack. Workers may finish first. Raises `PlatformError` where something stays."""
        with plainly():
            yield from self._stacks.delete()

    def delete_data(self) -> Iterator[str]:
        """Delete what stays, for good; yields each name when it is gone."""
        with plainly():
            dynamodb = self._account.client("dynamodb")
            for table in self._tables():
                dynamodb.delete_table(TableName=table)
                dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 2})
                yield table
            for bucket in self._buckets():
                empty_bucket(self._account, bucket)
                yield bucket
            VaultKey(self._account).forget()
            yield "the vault's key"
            TokenStore(self._account).forget()
            yield "the tokens"

    def _tables(self) -> list[str]:
        with plainly():
            dynamodb = self._account.client("dynamodb")
            return [table for table in TABLES if _there(dynamodb, table)]

    def _buckets(self) -> list[str]:
        account = self._account
        wanted = [code_bucket(account.id, account.region), artifact_bucket(account.id, account.region)]
        with plainly():
            known = {one["Name"] for one in account.client("s3").list_buckets()["Buckets"]}
        return [bucket for bucket in wanted if bucket in known]


def _there(dynamodb: Any, table: str) -> bool:
    try:
        dynamodb.describe_table(TableName=table)
    except ClientError as exc:
        if code_of(exc) == "ResourceNotFoundException":
            return False
        raise
    return True
