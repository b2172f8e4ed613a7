"""The vault on one machine: AES-256-GCM with a key in a file beside the database, made when it is first needed."""

import asyncio
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nanogrid.errors import VaultLocked
from nanogrid.ports import Vault

_KEY_BITS = 256
_NONCE_BYTES = 12


class LocalVault(Vault):
    """The key file; whoever can read it and the database can read every secret."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or made yet."""
        self._path = path
        self._cipher: AESGCM | None = None

    async def seal(self, value: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        cipher = await self._opened(make=True)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, value, bound_to.encode())

    async def unseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        cipher = await self._opened(make=False)
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError) as exc:
            raise VaultLocked(
                f"the key in {self._path} does not open what is sealed for {bound_to!r}.",
                hint="Restore the key file that belongs to this database, or set the secret again.",
            ) from exc

    async def _opened(self, *, make: bool) -> AESGCM:
        if self._cipher is None:
            self._cipher = await asyncio.to_thread(self._open, make=make)
        return self._cipher

    def _open(self, *, make: bool) -> AESGCM:
        try:
            if make and not self._path.exists():
                _write_key(self._path)
            return AESGCM(self._path.read_bytes())
        except (OSError, ValueError) as exc:
            raise VaultLocked(
                f"the key file {self._path} cannot be used: {exc}.", hint="Restore it from a backup of the data folder."
            ) from exc


def _write_key(path: Path) -> None:
    """Whole or not at all, readable by nobody else from its first moment."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(AESGCM.generate_key(_KEY_BITS))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
