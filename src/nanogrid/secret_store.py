"""What functions must know and nobody may read: sealed at rest, handed to sandboxes, never shown again."""

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from msgspec import Raw, structs

from nanogrid.clock import Clock
from nanogrid.errors import InvalidField, RevisionConflict, SecretNotFound, VaultLocked
from nanogrid.model import Function, Record, StoredRecord
from nanogrid.ports import Page, RecordStore, Vault
from nanogrid.ports.listing import all_records

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


class SecretStore:
    """Keeps each tenant's secrets by name."""

    def __init__(self, record_store: RecordStore, vault: Vault, clock: Clock) -> None:
        """The vault's key is all that opens what the record store keeps."""
        self._record_store = record_store
        self._vault = vault
        self._clock = clock
        self._changes: Counter[str] = Counter()
        #: The revision of each secret that was last looked at, None for none: what others change shows by it.
        self._seen: dict[str, str | None] = {}
        # What was sealed under the old key must be stored before a rotation looks for it, or be sealed after.
        self._sealing = asyncio.Lock()

    async def put(self, name: str, value: str, *, tenant: str) -> Secret:
        """Keep the value under the name, in place of an earlier one; after a rotation. Raises `RevisionConflict`."""
        async with self._sealing:
            return await self._put(name, value, tenant)

    async def _put(self, name: str, value: str, tenant: str) -> Secret:
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

    async def look_for_changes(self, function: Function) -> None:
        """Notice what other processes have changed of the function's secrets; see `changes`."""
        places = [_place(function.tenant, name) for name in function.secrets.values()]
        records = await asyncio.gather(*(self._record_store.get(_KIND, place) for place in places))
        for place, record in zip(places, records, strict=True):
            revision = record.revision if record else None
            if self._seen.setdefault(place, revision) != revision:
                self._seen[place] = revision
                self._changes[function.tenant] += 1

    def changes(self, tenant: str) -> int:
        """How often secrets of the tenant have changed, as far as known here: what was read before is old."""
        return self._changes[tenant]

    async def rotate(self, *, also: Callable[[], Awaitable[None]] | None = None) -> int:
        """Seal all secrets, of every tenant, under a new key; how many there are.

        `also` seals anew what others have had this vault seal; the old key is forgotten after that.
        Interrupted anywhere, all of them still open, and another call goes on. Raises `VaultLocked` where one does not
        open: until it is set again or deleted, the old key is kept.
        """
        async with self._sealing:
            await self._vault.renew_key()
            count = 0
            async for record in all_records(self._record_store, _KIND):
                await self._reseal(record)
                count += 1
            if also is not None:
                await also()
            await self._vault.forget_old_keys()
        return count

    async def locked(self) -> list[str]:
        """Which secrets the vault does not open, each as `tenant/name`: their key is lost, or is another one's."""
        records = [record async for record in all_records(self._record_store, _KIND)]
        return [record.name for record in records if not await self._opens(record)]

    async def _reseal(self, record: StoredRecord) -> None:
        secret = _decoder.decode(record.value)
        sealed = await self._vault.reseal(base64.b64decode(secret.sealed), bound_to=record.name)
        kept = structs.replace(secret, sealed=base64.b64encode(sealed).decode())
        try:
            await self._record_store.put(_KIND, record.name, Raw(_encoder.encode(kept)), revision=record.revision)
        except RevisionConflict:
            # Set again or deleted meanwhile, by another process: only a vault has those that keeps its keys elsewhere.
            return

    async def _opens(self, record: StoredRecord) -> bool:
        sealed = base64.b64decode(_decoder.decode(record.value).sealed)
        try:
            await self._vault.unseal(sealed, bound_to=record.name)
        except VaultLocked:
            return False
        return True

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
