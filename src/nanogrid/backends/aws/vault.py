"""The vault on AWS: KMS itself seals and opens, so that no key ever leaves it, not even one for data.

KMS takes 4,096 bytes at once, and nearly every secret is shorter; a longer one is sealed in parts. What a part is bound
to (the secret, the sealing it belongs to, its place in it) is KMS's encryption context: it is in no way secret, and
CloudTrail tells which secret was opened by whom.
"""

import asyncio
import secrets
from collections.abc import Mapping

import msgspec

from nanogrid.backends.aws.client import JsonService
from nanogrid.backends.aws.faults import AwsError
from nanogrid.errors import VaultLocked
from nanogrid.ports import Vault

#: Most that KMS encrypts at once, in bytes.
_MOST_BYTES = 4096
#: What KMS says where it will not, now or ever, do what is asked with this key or these bytes.
_LOCKED = frozenset({
    "AccessDeniedException", "DisabledException", "IncorrectKeyException", "InvalidCiphertextException",
    "InvalidKeyUsageException", "KMSInvalidStateException", "NotFoundException",
})  # fmt: skip


class _Sealing(msgspec.Struct, frozen=True, array_like=True):
    """A sealed value, as it is kept."""

    #: Different each time, so that parts of two sealings are never taken for one.
    nonce: str
    parts: list[bytes]


class _Answer(msgspec.Struct, rename="pascal"):
    ciphertext_blob: bytes = b""
    plaintext: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Sealing).decode


class AwsVault(Vault):
    """One key of KMS."""

    def __init__(self, kms: JsonService, key: str) -> None:
        """`key` is its id, ARN or alias; without one nothing can be sealed or opened."""
        self._kms = kms
        self._key = key

    async def seal(self, value: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        self._check_key()
        nonce, pieces = secrets.token_hex(16), _pieces(value)
        requests = [
            {"KeyId": self._key, "Plaintext": piece, "EncryptionContext": context}
            for piece, context in zip(pieces, _contexts(bound_to, nonce, len(pieces)), strict=True)
        ]
        answers = await asyncio.gather(*(self._ask("Encrypt", request, bound_to) for request in requests))
        return _encode(_Sealing(nonce, [answer.ciphertext_blob for answer in answers]))

    async def unseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """See the port."""
        sealing = self._opened(sealed, bound_to)
        requests = [
            {"CiphertextBlob": part, "EncryptionContext": context}
            for part, context in zip(sealing.parts, _contexts_of(sealing, bound_to), strict=True)
        ]
        answers = await asyncio.gather(*(self._ask("Decrypt", request, bound_to) for request in requests))
        return b"".join(answer.plaintext for answer in answers)

    async def renew_key(self) -> None:
        """See the port: KMS renews what its key is made of by itself, and opens what earlier material sealed."""

    async def reseal(self, sealed: bytes, *, bound_to: str) -> bytes:
        """See the port. The value is never outside KMS: who may do this need not be able to read it."""
        sealing = self._opened(sealed, bound_to)
        nonce = secrets.token_hex(16)
        before, after = _contexts_of(sealing, bound_to), _contexts(bound_to, nonce, len(sealing.parts))
        requests = [
            {
                "CiphertextBlob": part,
                "SourceEncryptionContext": old,
                "DestinationEncryptionContext": new,
                "DestinationKeyId": self._key,
            }
            for part, old, new in zip(sealing.parts, before, after, strict=True)
        ]
        answers = await asyncio.gather(*(self._ask("ReEncrypt", request, bound_to) for request in requests))
        return _encode(_Sealing(nonce, [answer.ciphertext_blob for answer in answers]))

    async def forget_old_keys(self) -> None:
        """See the port: earlier material is KMS's to keep."""

    def _opened(self, sealed: bytes, bound_to: str) -> _Sealing:
        self._check_key()
        try:
            return _decode(sealed)
        except msgspec.DecodeError as exc:
            raise _locked(bound_to, "what is kept for it is no sealed value") from exc

    def _check_key(self) -> None:
        if not self._key:
            raise VaultLocked(
                "this grid has no vault, so that it keeps no secrets.",
                hint="`nanogrid aws deploy` makes the key and names it in NANOGRID_VAULT_KEY.",
            )

    async def _ask(self, operation: str, request: Mapping[str, object], bound_to: str) -> _Answer:
        try:
            answer = await self._kms.call(operation, msgspec.json.encode(request))
        except AwsError as exc:
            if exc.kind not in _LOCKED:
                raise
            raise _locked(bound_to, str(exc)) from exc
        return msgspec.json.decode(answer, type=_Answer)


def _pieces(value: bytes) -> list[bytes]:
    return [value[start : start + _MOST_BYTES] for start in range(0, len(value), _MOST_BYTES)]


def _contexts(bound_to: str, nonce: str, count: int) -> list[dict[str, str]]:
    """What each part is bound to."""
    places = (f"{number} of {count}" for number in range(1, count + 1))
    return [{"nanogrid-secret": bound_to, "nanogrid-sealing": nonce, "nanogrid-part": place} for place in places]


def _contexts_of(sealing: _Sealing, bound_to: str) -> list[dict[str, str]]:
    return _contexts(bound_to, sealing.nonce, len(sealing.parts))


def _locked(bound_to: str, why: str) -> VaultLocked:
    return VaultLocked(
        f"the vault's key does not serve for {bound_to!r}: {why}",
        hint="Look at the key alias/nanogrid-vault in KMS, or set the secret again.",
    )
