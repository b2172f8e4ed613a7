"""What a caller prefers about waiting (RFC 7240), and the key under which a request counts once."""

import hashlib
import re
from collections.abc import Mapping

from msgspec import Struct

from nanogrid.errors import MalformedRequest

#: Of any version but the one that is forbidden; longer ones are cut by nobody, so they count as none.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MAX_KEY = 255
#: Longer numbers are no waiting times.
_MAX_DIGITS = 9


class Preferences(Struct, frozen=True):
    """What the header `Prefer` asks for; unknown preferences are ignored, as the RFC wants it."""

    respond_async: bool = False
    #: How long to wait at most, in seconds.
    wait_s: float | None = None

    def applied(self) -> tuple[tuple[str, str], ...]:
        """The header that says which preferences were honoured."""
        words = ["respond-async"] if self.respond_async else []
        if self.wait_s is not None:
            words.append(f"wait={self.wait_s:.0f}")
        return (("preference-applied", ", ".join(words)),) if words else ()


NO_PREFERENCES = Preferences()


def read_preferences(headers: Mapping[str, str]) -> Preferences:
    """The preferences that this API knows."""
    header = headers.get("prefer")
    if header is None:
        return NO_PREFERENCES
    words = [word.partition(";")[0].strip().lower() for word in header.split(",")]
    waits = [word[5:].strip('"') for word in words if word.startswith("wait=")]
    wait_s = float(waits[0]) if waits and waits[0].isdecimal() and len(waits[0]) <= _MAX_DIGITS else None
    return Preferences(respond_async="respond-async" in words, wait_s=wait_s)


def read_traceparent(headers: Mapping[str, str]) -> str:
    """What the caller's trace calls this request (W3C); empty without one. What is malformed counts as none."""
    traceparent = headers.get("traceparent")
    return traceparent if traceparent is not None and _TRACEPARENT.fullmatch(traceparent) else ""


def read_idempotency(headers: Mapping[str, str], body: bytes) -> tuple[str, str] | None:
    """The caller's Idempotency-Key and the body's sha-256; None without a key. Raises `MalformedRequest`."""
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _MAX_KEY or not all("!" <= character <= "~" for character in key):
        raise MalformedRequest(
            "the Idempotency-Key cannot be used.", hint=f"Send 1 to {_MAX_KEY} visible ASCII characters."
        )
    return key, hashlib.sha256(body).hexdigest()
