"""What functions must know and nobody may read: sealed at rest, handed to sandboxes, never shown again."""

import base64
from collections import Counter
from datetime import datetime

import msgspec
from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.errors import InvalidField, SecretNotFound, VaultLocked
from nanogrid.model import Function, Record
from nanogrid.ports import Page, RecordStore, Vault

_KIND = "secret"


class Secret(Record, frozen=True, kw_only=True):
    """A secret as everybody may see it: without its value."""

    name: str
    created_at: datetime
    updated_at: datetime


class _Sealed(Secret, frozen=True, kw_only=True):
    """A secret as it is kept."""

    #: Base64 of what the vault made of the value.
    sealed: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Sealed)


class NoVault(Vault):
    """What a grid has that keeps no secrets."""

    async def seal(self, value: bytes, *, bound_to: str) -> bytes:
        """Raises `VaultLocked`."""
        raise VaultLocked(
            "this grid has no vault, so that it keeps no secrets.", hint="Use `--env` for what may be read."
        )

    async def unseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Raises `VaultLocked`."""
        return await self.seal(sealed, bound_to=bound_to)


class SecretStore:
    """Keeps each tenant's secrets by name."""

    def __init__(self, record_store: RecordStore, vault: Vault, clock: Clock) -> None:
        """The vault's key is all that opens what the record store keeps."""
        self._record_store = record_store
        self._vault = vault
        self._clock = clock
        self._changes: Counter[str] = Counter()

    async def put(self, name: str, value: str, *, tenant: str) -> Secret:
        """Keep the value under the name, in place of an earlier one. Raises `RevisionConflict`."""
        place, now = _place(tenant, name), self._clock.now()
        known = await self._record_store.get(_KIND, place)
        sealed = await self._vault.seal(value.encode(), bound_to=place)
        secret = _Sealed(
            name=name,
            created_at=_decoder.decode(known.value).created_at if known else now,
            updated_at=now,
            sealed=base64.b64encode(sealed).decode(),
        )
        revision = known.revision if known else None
        await self._record_store.put(_KIND, place, Raw(_encoder.encode(secret)), revision=revision)
        self._changes[tenant] += 1
        return _shown(secret)

    async def list_secrets(self, *, tenant: str, limit: int, cursor: str | None) -> Page[Secret]:
        """The tenant's secrets by name, without their values."""
        page = await self._record_store.list_records(_KIND, prefix=f"{tenant}/", limit=limit, cursor=cursor)
        return Page(items=[_shown(_decoder.decode(r.value)) for r in page.items], next_cursor=page.next_cursor)

    async def delete(self, name: str, *, tenant: str) -> None:
        """Forget a secret; functions that name it cannot be loaded any more. Raises `SecretNotFound`."""
        place = _place(tenant, name)
        if await self._record_store.get(_KIND, place) is None:
            raise _absent(name)
        await self._record_store.delete(_KIND, place)
        self._changes[tenant] += 1

    async def check(self, names: dict[str, str], *, tenant: str) -> None:
        """Raise `InvalidField` where a variable names a secret that is not there."""
        for variable, name in names.items():
            if await self._record_store.get(_KIND, _place(tenant, name)) is None:
                raise InvalidField(
                    f"there is no secret {name!r}.", path=f"$.secrets.{variable}", hint=f"PUT /secrets/{name} makes it."
                )

    async def values(self, function: Function) -> dict[str, str]:
        """The variables that the function's settings name secrets for. Raises `SecretNotFound`, `VaultLocked`."""
        return {variable: await self._value(name, function.tenant) for variable, name in function.secrets.items()}

    def changes(self, tenant: str) -> int:
        """How often this process has changed secrets of the tenant: what was read before is old."""
        return self._changes[tenant]

    async def _value(self, name: str, tenant: str) -> str:
        place = _place(tenant, name)
        record = await self._record_store.get(_KIND, place)
        if record is None:
            raise _absent(name)
        sealed = base64.b64decode(_decoder.decode(record.value).sealed)
        return (await self._vault.unseal(sealed, bound_to=place)).decode()


def _place(tenant: str, name: str) -> str:
    return f"{tenant}/{name}"


def _shown(secret: Secret) -> Secret:
    return Secret(name=secret.name, created_at=secret.created_at, updated_at=secret.updated_at)


def _absent(name: str) -> SecretNotFound:
    return SecretNotFound(f"there is no secret {name[:80]!r}.", hint="GET /secrets lists them.")
