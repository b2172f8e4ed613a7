"""The keys of a grid: made once, shown once, kept by their digest, found by one look-up.

All keys are in memory, so that who asks is known without a store. What changes here is known here at once; what another
process changes, at the next `refresh`; whether it is time for one, a single small record tells, see `has_changed`.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Raw, structs

from nanogrid.clock import Clock
from nanogrid.errors import InvalidField, KeyNotFound, RevisionConflict, Unauthorized, VaultLocked
from nanogrid.identifiers import new_key_id
from nanogrid.model import Key, Principal, Record, Scope
from nanogrid.ports import Page, RecordStore, Vault
from nanogrid.ports.listing import all_records

_KIND = "key"
#: The record, kind and name, whose revision is another after every change of whichever key.
CHANGES = ("key-ring", "changes")
_NOTHING = Raw(b"{}")
#: What a key begins with, so that people and scanners of leaked secrets know it when they see one.
_PREFIX = "ngk_"
_SECRET_BYTES = 32
#: The same for the ids of keys that sign; 20 letters and digits in all, as AWS' own have.
_ACCESS_PREFIX = "NGAK"
_ACCESS_BYTES = 10
#: Base64 makes 40 characters of them.
_SIGNING_BYTES = 30


class Signatory(Record, frozen=True, kw_only=True):
    """Who signs requests, and with what."""

    access_key_id: str
    principal: Principal
    secret: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Signatory({self.access_key_id!r})"


class NewKey(NamedTuple):
    """A key just made, with what nobody can tell again."""

    key: Key
    token: str
    #: Only where the key signs; else empty.
    secret: str


class _StoredKey(Key, frozen=True, kw_only=True):
    """A key as it is kept."""

    digest: str
    #: Base64 of what the vault made of the secret that it signs with; empty where it signs nothing.
    sealed_secret: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_StoredKey)


class KeyRing:
    """Makes, lists and revokes keys; `principals` says who holds which."""

    def __init__(
        self, record_store: RecordStore, clock: Clock, *, owner_digest: str, vault: Vault | None = None
    ) -> None:
        """`owner_digest` is of the owner's token, which is never listed or revoked. Call `refresh` first.

        `vault` seals what keys sign with: unlike a token, that must be known to be verified.
        """
        self._record_store = record_store
        self._clock = clock
        self._vault = vault
        #: Keys that sign, by the id under which they do.
        self._signing: dict[str, _StoredKey] = {}
        self._signatories: dict[str, Signatory] = {}
        # What is sealed is also recorded before the vault's key changes: else nothing would open it any more.
        self._sealing = asyncio.Lock()
        self._owner = {owner_digest: Principal(name="owner")}
        self._principals = dict(self._owner)
        self._read_at = float("-inf")
        #: Of `CHANGES`, from before the keys were read.
        self._seen: str | None = None

    @property
    def principals(self) -> Mapping[str, Principal]:
        """By `token_digest`, who holds the token; always the same mapping, as it is now."""
        return self._principals

    async def refresh(self, *, max_age_s: float = 0.0) -> None:
        """Read all keys again, unless that was done within so many seconds."""
        if self._clock.monotonic() - self._read_at < max_age_s:
            return
        self._read_at = self._clock.monotonic()
        # First: what changes while the keys are read makes it another, and they are read again.
        self._seen = await self._changes()
        keys = [_decoder.decode(record.value) async for record in all_records(self._record_store, _KIND)]
        # In one step, without waiting: nobody must find a ring without its owner.
        self._principals.clear()
        self._principals.update(self._owner)
        self._principals.update({key.digest: _principal(key) for key in keys})
        self._signing = {key.access_key_id: key for key in keys if key.access_key_id is not None}
        self._signatories.clear()

    async def has_changed(self) -> bool:
        """Whether keys have been made or revoked, by whichever process, since they were last read here."""
        return await self._changes() != self._seen

    async def create(
        self,
        name: str,
        *,
        tenant: str,
        scopes: Iterable[Scope],
        functions: Iterable[str] | None = None,
        expires_at: datetime | None = None,
        signs: bool = False,
    ) -> NewKey:
        """A new key, and its token, which nobody can tell again. Raises `InvalidField`.

        With `signs` it has an access key id and a secret besides. Raises `VaultLocked`.
        """
        self._check_expiry(expires_at)
        token, key_id = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES), new_key_id()
        secret = base64.b64encode(secrets.token_bytes(_SIGNING_BYTES)).decode() if signs else ""
        key = _StoredKey(
            key_id=key_id,
            name=name,
            tenant=tenant,
            scopes=sorted(set(scopes)),
            functions=None if functions is None else sorted(set(functions)),
            created_at=self._clock.now(),
            expires_at=expires_at,
            access_key_id=_new_access_key_id() if signs else None,
            digest=token_digest(token),
        )
        async with self._sealing:
            if signs:
                sealed = await self._opened().seal(secret.encode(), bound_to=_bound_to(key))
                key = structs.replace(key, sealed_secret=base64.b64encode(sealed).decode())
            await self._record_store.put(_KIND, _place(tenant, key_id), Raw(_encoder.encode(key)), revision=None)
        self._principals[key.digest] = _principal(key)
        if key.access_key_id is not None:
            self._signing[key.access_key_id] = key
        await self._tell_others()
        return NewKey(_shown(key), token, secret)

    async def signatory(self, access_key_id: str) -> Signatory:
        """Who signs under this id. Raises `Unauthorized`, `VaultLocked`."""
        key = self._signing.get(access_key_id)
        if key is None:
            raise Unauthorized("no key of this grid has this access key id.", hint="`nanogrid keys create --aws`.")
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise Unauthorized("the key has expired.", hint="`nanogrid keys create --aws` makes another.")
        known = self._signatories.get(access_key_id)
        if known is None:
            secret = await self._unsealed(key)
            known = Signatory(access_key_id=access_key_id, principal=_principal(key), secret=secret)
            self._signatories[access_key_id] = known
        return known

    async def reseal(self) -> None:
        """Seal anew what keys sign with, after the vault's key was renewed. Raises `VaultLocked`."""
        async with self._sealing:
            async for record in all_records(self._record_store, _KIND):
                key = _decoder.decode(record.value)
                if key.access_key_id is not None:
                    await self._reseal(key, record.revision)

    async def list_keys(self, *, tenant: str, limit: int, cursor: str | None) -> Page[Key]:
        """The tenant's keys, oldest first, without what they open with."""
        page = await self._record_store.list_records(_KIND, prefix=f"{tenant}/", limit=limit, cursor=cursor)
        keys = [_shown(_decoder.decode(record.value)) for record in page.items]
        return Page(items=keys, next_cursor=page.next_cursor)

    async def get(self, key_id: str, *, tenant: str) -> Key:
        """One of the tenant's keys. Raises `KeyNotFound`."""
        return _shown(await self._stored(key_id, tenant))

    async def revoke(self, key_id: str, *, tenant: str) -> None:
        """The key opens nothing from now on, and other processes can know when this returns. Raises `KeyNotFound`."""
        try:
            key = await self._stored(key_id, tenant)
        except KeyNotFound:
            # Whoever revoked it may have died before he could tell; this is how he who tries again tells it.
            await self._tell_others()
            raise
        await self._record_store.delete(_KIND, _place(tenant, key_id))
        self._principals.pop(key.digest, None)
        if key.access_key_id is not None:
            self._signing.pop(key.access_key_id, None)
            self._signatories.pop(key.access_key_id, None)
        await self._tell_others()

    async def locked(self) -> list[str]:
        """Of which keys the vault does not open what they sign with, each as `tenant/id`."""
        keys = [_decoder.decode(record.value) async for record in all_records(self._record_store, _KIND)]
        signing = [key for key in keys if key.access_key_id is not None]
        return [_place(key.tenant, key.key_id) for key in signing if not await self._opens(key)]

    async def _opens(self, key: _StoredKey) -> bool:
        try:
            await self._unsealed(key)
        except VaultLocked:
            return False
        return True

    async def _changes(self) -> str | None:
        record = await self._record_store.get(*CHANGES)
        return None if record is None else record.revision

    async def _tell_others(self) -> None:
        try:
            await self._record_store.put(*CHANGES, _NOTHING, revision=await self._changes())
        except RevisionConflict:
            # Somebody else has told after the change was made, and that tells of this one as well.
            return

    async def _reseal(self, key: _StoredKey, revision: str) -> None:
        sealed = await self._opened().reseal(base64.b64decode(key.sealed_secret), bound_to=_bound_to(key))
        key = structs.replace(key, sealed_secret=base64.b64encode(sealed).decode())
        place = _place(key.tenant, key.key_id)
        try:
            await self._record_store.put(_KIND, place, Raw(_encoder.encode(key)), revision=revision)
        except RevisionConflict:
            return  # revoked meanwhile
        self._signing[str(key.access_key_id)] = key

    async def _unsealed(self, key: _StoredKey) -> str:
        sealed = base64.b64decode(key.sealed_secret)
        return (await self._opened().unseal(sealed, bound_to=_bound_to(key))).decode()

    def _opened(self) -> Vault:
        if self._vault is None:
            raise VaultLocked(
                "this grid has no vault, so that its keys cannot sign.", hint="Make a key without `aws`, with a token."
            )
        return self._vault

    async def _stored(self, key_id: str, tenant: str) -> _StoredKey:
        record = await self._record_store.get(_KIND, _place(tenant, key_id))
        if record is None:
            raise KeyNotFound(f"there is no key {key_id[:80]!r}.", hint="GET /keys lists them.")
        return _decoder.decode(record.value)

    def _check_expiry(self, expires_at: datetime | None) -> None:
        if expires_at is None or (expires_at.tzinfo is not None and expires_at > self._clock.now()):
            return
        raise InvalidField(
            f"a key cannot expire at {expires_at.isoformat()}.",
            path="$.expiresAt",
            hint="Name a moment to come, with its offset from UTC.",
        )


def token_digest(token: str) -> str:
    """What stands for a token wherever it is kept: its sha-256 as 64 hexadecimal digits.

    A token is 256 random bits, so that nothing slower is needed to keep it from being guessed.
    """
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _new_access_key_id() -> str:
    return _ACCESS_PREFIX + base64.b32encode(secrets.token_bytes(_ACCESS_BYTES)).decode()


def _place(tenant: str, key_id: str) -> str:
    return f"{tenant}/{key_id}"


def _bound_to(key: Key) -> str:
    """What a key's secret is sealed for."""
    return f"{_KIND}/{_place(key.tenant, key.key_id)}"


def _principal(key: Key) -> Principal:
    scopes = frozenset(Scope) if Scope.ADMIN in key.scopes else frozenset(key.scopes)
    return Principal(
        name=key.key_id,
        tenant=key.tenant,
        scopes=scopes,
        functions=None if key.functions is None else frozenset(key.functions),
        expires_at=key.expires_at,
    )


def _shown(key: Key) -> Key:
    return Key(**{field: getattr(key, field) for field in Key.__struct_fields__})
