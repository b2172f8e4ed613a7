"""What the SDK does besides deploying and running: versions, aliases, secrets, keys, quotas."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from nanogrid.client.channel import Channel
from nanogrid.client.messages import decoded
from nanogrid.client.records import (
    AliasInfo,
    ExplanationInfo,
    FunctionInfo,
    KeyInfo,
    Listing,
    NewKey,
    QuotaInfo,
    SecretInfo,
    VaultRotated,
)
from nanogrid.errors import InvalidField
from nanogrid.model import Scope

T = TypeVar("T")

_PAGE = 200


class Administration:
    """A part of `AsyncClient`."""

    _channel: Channel

    async def versions(self, name: str) -> list[FunctionInfo]:
        """All versions, latest first. Raises `FunctionNotFound`."""
        return decoded(await self._get(function_path(name) + "/versions", {}), Listing[FunctionInfo]).items

    async def rollback(self, name: str, version: int | None = None) -> FunctionInfo:
        """Make a new version that is as that one, or as the one before the latest; warm before it is the latest.

        Raises `FunctionNotFound`, `InvalidField`, `VersionBroken`, `RevisionConflict`.
        """
        body = {} if version is None else {"version": version}
        return decoded(await self._send("POST", function_path(name) + "/rollback", body), FunctionInfo)

    async def configure(self, name: str, /, **settings: Any) -> FunctionInfo:
        """Make a version with these settings and the code as it is; they are called as those of `deploy`.

        Raises `FunctionNotFound`, `InvalidField`, `RevisionConflict`.
        """
        change = {camel(setting): value for setting, value in settings.items()}
        return decoded(await self._send("PUT", function_path(name), change), FunctionInfo)

    async def explain(self, run_id: str) -> ExplanationInfo:
        """Why a run waits, or ended as it did, and what to do next. Raises `RunNotFound`."""
        return decoded(await self._get(run_path(run_id) + "/explain", {}), ExplanationInfo)

    async def tune(self, name: str) -> FunctionInfo:
        """Make a version with the memory and timeout that recent runs recommend, if those differ; the latest version.

        Raises `FunctionNotFound`, `InvalidField` where no run of this version has ended yet, `RevisionConflict`.
        """
        function = decoded(await self._get(function_path(name), {}), FunctionInfo)
        memory_mb, timeout_ms = function.recommended_memory_mb, function.recommended_timeout_ms
        if memory_mb is None or timeout_ms is None:
            raise InvalidField(
                f"no run of version {function.version} of {function.name!r} has ended yet.",
                hint="Run it some times on real input first.",
            )
        if (function.memory_mb, function.timeout_ms) == (memory_mb, timeout_ms):
            return function
        change = {"memoryMb": memory_mb, "timeoutMs": timeout_ms}
        return decoded(await self._send("PUT", function_path(name), change), FunctionInfo)

    async def code(self, name: str, *, version: int | None = None) -> bytes:
        """The code of that version or the latest, as a zip archive. Raises `FunctionNotFound`."""
        query = {} if version is None else {"version": version}
        return (await self._get(function_path(name) + "/code", query)).content

    async def aliases(self, name: str) -> list[AliasInfo]:
        """The function's aliases. Raises `FunctionNotFound`."""
        return decoded(await self._get(function_path(name) + "/aliases", {}), Listing[AliasInfo]).items

    async def set_alias(
        self, name: str, alias: str, version: int, *, weights: Mapping[int, float] | None = None
    ) -> AliasInfo:
        """Let `name:alias` run that version, and other versions with these shares of runs, once all are warm.

        Raises `FunctionNotFound`, `InvalidField`, `VersionBroken`, `RevisionConflict`.
        """
        body = {"version": version, "weights": dict(weights or {})}
        return decoded(await self._send("PUT", _alias_path(name, alias), body), AliasInfo)

    async def delete_alias(self, name: str, alias: str) -> None:
        """Let the alias mean nothing any more. Raises `FunctionNotFound`, `AliasNotFound`."""
        await self._channel.request("DELETE", _alias_path(name, alias))

    async def set_secret(self, name: str, value: str) -> SecretInfo:
        """Keep a secret, or another value of one; nobody can read it again but functions that name it."""
        return decoded(await self._send("PUT", f"/secrets/{quoted(name)}", {"value": value}), SecretInfo)

    async def secrets(self) -> AsyncIterator[SecretInfo]:
        """All secrets by name, without their values."""
        async for secret in self._pages("/secrets", {}, SecretInfo):
            yield secret

    async def delete_secret(self, name: str) -> None:
        """Forget a secret. Raises `SecretNotFound`."""
        await self._channel.request("DELETE", f"/secrets/{quoted(name)}")

    async def rotate_vault(self) -> int:
        """Seal all secrets, of every tenant, under a new key; how many. The grid's owner only.

        May be called again where it was interrupted: nothing is lost. Raises `ScopeMissing`, `ServerError`.
        """
        return decoded(await self._channel.request("POST", "/vault/rotate"), VaultRotated).secrets

    async def create_key(
        self,
        name: str,
        *,
        scopes: Iterable[Scope | str],
        functions: Iterable[str] | None = None,
        expires_at: datetime | None = None,
        tenant: str | None = None,
        aws: bool = False,
    ) -> NewKey:
        """A new key; its `token` is told this once.

        With `aws` it has an `access_key_id` and a `secret_access_key` besides, with which AWS' tools sign requests.

        `functions` are the only ones that it may run; another `tenant` than one's own can be named by the grid's owner.
        Raises `InvalidField`, `ScopeMissing`.
        """
        asked = {
            "name": name,
            "scopes": list(scopes),
            "functions": None if functions is None else list(functions),
            "expiresAt": expires_at,
            "tenant": tenant,
            "aws": aws or None,
        }
        return decoded(await self._send("POST", "/keys", without_none(asked)), NewKey)

    async def keys(self, *, tenant: str | None = None) -> AsyncIterator[KeyInfo]:
        """All keys, oldest first, without their tokens."""
        async for key in self._pages("/keys", _of(tenant), KeyInfo):
            yield key

    async def revoke_key(self, key_id: str, *, tenant: str | None = None) -> None:
        """Make a key open nothing any more. Raises `KeyNotFound`."""
        await self._channel.request("DELETE", f"/keys/{quoted(key_id)}", query=_of(tenant))

    async def quota(self, *, tenant: str | None = None) -> QuotaInfo:
        """What a tenant may have, and what it has."""
        return decoded(await self._get("/quota", _of(tenant)), QuotaInfo)

    async def set_quota(
        self,
        tenant: str,
        *,
        functions: int = 0,
        code_bytes: int = 0,
        concurrent_runs: int = 0,
        runs_per_minute: int = 0,
        backlog: int = 0,
        schedules: int = 0,
        schedule_interval_ms: int = 0,
    ) -> QuotaInfo:
        """Set what a tenant may have; 0 is no limit. The grid's owner only: raises `ScopeMissing` for others."""
        quota = {
            "functions": functions,
            "codeBytes": code_bytes,
            "concurrentRuns": concurrent_runs,
            "runsPerMinute": runs_per_minute,
            "backlog": backlog,
            "schedules": schedules,
            "scheduleIntervalMs": schedule_interval_ms,
        }
        return decoded(await self._send("PUT", "/quota", quota, _of(tenant)), QuotaInfo)

    async def _send(
        self, method: str, path: str, value: object, query: Mapping[str, str | int] | None = None
    ) -> httpx.Response:
        return await self._channel.request(method, path, body=msgspec.json.encode(value), query=query)

    async def _get(self, path: str, query: Mapping[str, str | int], wait_s: float = 0.0) -> httpx.Response:
        return await self._channel.request("GET", path, query=query, idempotent=True, wait_s=wait_s)

    async def _pages(self, path: str, query: Mapping[str, str], kind: type[T], size: int = _PAGE) -> AsyncIterator[T]:
        cursor: str | None = None
        while True:
            here = {"cursor": cursor} if cursor else {}
            page = decoded(await self._get(path, {**query, "limit": size, **here}), Listing[kind])  # type: ignore[valid-type]
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return


def function_path(name: str) -> str:
    """Where a function is, by name or id."""
    return f"/functions/{quoted(name)}"


def camel(name: str) -> str:
    """The name of a field as the HTTP API has it."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _alias_path(name: str, alias: str) -> str:
    return f"{function_path(name)}/aliases/{quoted(alias)}"


def run_path(run_id: str) -> str:
    """Where a run is."""
    return f"/runs/{quoted(run_id)}"


def quoted(text: str) -> str:
    """The text as one segment of a path."""
    return quote(text, safe="")


def _of(tenant: str | None) -> dict[str, str]:
    return {} if tenant is None else {"tenant": tenant}


def without_none(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
