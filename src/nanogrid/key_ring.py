"""The keys of a grid: made once, shown once, kept by their digest, found by one look-up.

All keys are in memory, so that who asks is known without a store. What changes here is known here at once; what another
process changes, at the next `refresh`.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.errors import InvalidField, KeyNotFound
from nanogrid.identifiers import new_key_id
from nanogrid.model import Key, Principal, Scope
from nanogrid.ports import Page, RecordStore
from nanogrid.ports.listing import all_records

_KIND = "key"
#: What a key begins with, so that people and scanners of leaked secrets know it when they see one.
_PREFIX = "ngk_"
_SECRET_BYTES = 32


class _StoredKey(Key, frozen=True, kw_only=True):
    """A key as it is kept."""

    digest: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_StoredKey)


class KeyRing:
    """Makes, lists and revokes keys; `principals` says who holds which."""

    def __init__(self, record_store: RecordStore, clock: Clock, *, owner_digest: str) -> None:
        """`owner_digest` is of the owner's token, which is never listed or revoked. Call `refresh` first."""
        self._record_store = record_store
        self._clock = clock
        self._owner = {owner_digest: Principal(name="owner")}
        self._principals = dict(self._owner)
        self._read_at = float("-inf")

    @property
    def principals(self) -> Mapping[str, Principal]:
        """By `token_digest`, who holds the token; always the same mapping, as it is now."""
        return self._principals

    async def refresh(self, *, max_age_s: float = 0.0) -> None:
        """Read all keys again, unless that was done within so many seconds."""
        if self._clock.monotonic() - self._read_at < max_age_s:
            return
        self._read_at = self._clock.monotonic()
        keys = [_decoder.decode(record.value) async for record in all_records(self._record_store, _KIND)]
        # In one step, without waiting: nobody must find a ring without its owner.
        self._principals.clear()
        self._principals.update(self._owner)
        self._principals.update({key.digest: _principal(key) for key in keys})

    async def create(
        self,
        name: str,
        *,
        tenant: str,
        scopes: Iterable[Scope],
        functions: Iterable[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Key, str]:
        """A new key, and its token, which nobody can tell again. Raises `InvalidField`."""
        self._check_expiry(expires_at)
        token = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        key = _StoredKey(
            key_id=new_key_id(),
            name=name,
            tenant=tenant,
            scopes=sorted(set(scopes)),
            functions=None if functions is None else sorted(set(functions)),
            created_at=self._clock.now(),
            expires_at=expires_at,
            digest=token_digest(token),
        )
        await self._record_store.put(_KIND, _place(tenant, key.key_id), Raw(_encoder.encode(key)), revision=None)
        self._principals[key.digest] = _principal(key)
        return _shown(key), token

    async def list_keys(self, *, tenant: str, limit: int, cursor: str | None) -> Page[Key]:
        """The tenant's keys, oldest first, without what they open with."""
        page = await self._record_store.list_records(_KIND, prefix=f"{tenant}/", limit=limit, cursor=cursor)
        keys = [_shown(_decoder.decode(record.value)) for record in page.items]
        return Page(items=keys, next_cursor=page.next_cursor)

    async def get(self, key_id: str, *, tenant: str) -> Key:
        """One of the tenant's keys. Raises `KeyNotFound`."""
        return _shown(await self._stored(key_id, tenant))

    async def revoke(self, key_id: str, *, tenant: str) -> None:
        """The key opens nothing from now on. Raises `KeyNotFound`."""
        key = await self._stored(key_id, tenant)
        await self._record_store.delete(_KIND, _place(tenant, key_id))
        self._principals.pop(key.digest, None)

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


def _place(tenant: str, key_id: str) -> str:
    return f"{tenant}/{key_id}"


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
