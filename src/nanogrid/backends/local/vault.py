"""The vault on one machine: AES-256-GCM with a key in a file beside the database, made when it is first needed.

While a rotation is under way the file holds two keys, the new one first. It is replaced whole, so that at every moment
what is on disk opens whatever has been sealed.
"""

import asyncio
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nanogrid.errors import VaultLocked
from nanogrid.ports import Vault

_KEY_BYTES = 32
_NONCE_BYTES = 12


class LocalVault(Vault):
    """The key file; whoever can read it and the database can read every secret."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or made yet."""
        self._path = path
        #: Newest first; empty before the file was read.
        self._keys: list[bytes] = []

    async def seal(self, value: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        keys = await self._opened(make=True)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(keys[0]).encrypt(nonce, value, bound_to.encode())

    async def unseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        for key in await self._opened(make=False):
            try:
                return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
            except (InvalidTag, ValueError):
                continue
        raise VaultLocked(
            f"the key in {self._path} does not open what is sealed for {bound_to!r}.",
            hint="Restore the key file that belongs to this database, or set the secret again.",
        )

    async def renew_key(self) -> None:
        """See the port."""
        keys = await self._opened(make=True)
        if len(keys) == 1:
            await self._replace([secrets.token_bytes(_KEY_BYTES), *keys])

    async def reseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        return await self.seal(await self.unseal(sealed, bound_to=bound_to), bound_to=bound_to)

    async def forget_old_keys(self) -> None:
        """See the port."""
        keys = await self._opened(make=True)
        if len(keys) > 1:
            await self._replace(keys[:1])

    async def _opened(self, *, make: bool) -> list[bytes]:
        if not self._keys:
            self._keys = await asyncio.to_thread(self._open, make=make)
        return self._keys

    async def _replace(self, keys: list[bytes]) -> None:
        """The file first: a key that is not on disk must seal nothing."""
        try:
            await asyncio.to_thread(_write_keys, self._path, keys)
        except OSError as exc:
            raise self._unusable(exc) from exc
        self._keys = keys

    def _open(self, *, make: bool) -> list[bytes]:
        try:
            if make and not self._path.exists():
                _write_keys(self._path, [secrets.token_bytes(_KEY_BYTES)])
            return keys_in(self._path.read_bytes())
        except (OSError, ValueError) as exc:
            raise self._unusable(exc) from exc

    def _unusable(self, exc: OSError | ValueError) -> VaultLocked:
        return VaultLocked(
            f"the key file {self._path} cannot be used: {exc}.", hint="Restore it from a backup of the data folder."
        )


def keys_in(content: bytes) -> list[bytes]:
    """The keys of a key file, newest first. Raises `ValueError` where it is none."""
    if not content or len(content) % _KEY_BYTES:
        raise ValueError(f"it has {len(content)} bytes, and a key has {_KEY_BYTES}")
    return [content[start : start + _KEY_BYTES] for start in range(0, len(content), _KEY_BYTES)]


def merged_keys(now: bytes, before: bytes) -> bytes:
    """A key file with all keys of both, as a rotation may have gone on between the two; the newest first."""
    try:
        keys = [key for content in (now, before) if content for key in keys_in(content)]
    except ValueError:
        # Damaged: it is kept as it is, for whoever can make something of it.
        return now
    return b"".join(dict.fromkeys(keys))


def _write_keys(path: Path, keys: list[bytes]) -> None:
    """Whole or not at all, on disk when this returns, readable by nobody else from the first moment."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(keys))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
