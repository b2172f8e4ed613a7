"""By what content is kept, on both backends: its sha-256, as 64 hexadecimal digits."""

import hashlib
import re

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def digest_of(content: bytes) -> str:
    """The digest of the content. Takes a moment for what is large: call it from a thread there."""
    return hashlib.sha256(content).hexdigest()


def is_digest(text: str) -> bool:
    """Whether it can be one. Digests become paths and URLs, so nothing else may pass."""
    return _DIGEST.match(text) is not None
