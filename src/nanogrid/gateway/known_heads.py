"""Heads that have been read before: clients that stay send the same bytes each time, and only their bodies differ.

What a head says follows from its bytes alone, so it is read once: parsed, checked, routed. Nothing is kept of who asks:
the token is looked up with every request, and of the bytes only a digest stays here.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Scope

from nanogrid.api.message import EVENTS
from nanogrid.errors import NanoGridError
from nanogrid.gateway.head import Head

_END = b"\r\n\r\n"
#: Longer heads are read each time, in bytes.
_MAX_BYTES = 4096
_KEPT = 1000
#: Of these a head says more than what is asked for: how its body is framed, or what becomes of the connection.
_SPECIAL = ("transfer-encoding", "expect", "upgrade", "connection")


class KnownHeads:
    """The heads of one server, those that came lately."""

    def __init__(self, read: Callable[[Scope], Head]) -> None:
        """`read` reads and checks a head; what it refuses is never known."""
        self._read = read
        #: By digest; None for those that have come once. Most of what comes once never comes again.
        self._heads: OrderedDict[bytes, Head | None] = OrderedDict()

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """Head and body, where the data is one whole request with a head that is known."""
        end = data.find(_END, 0, _MAX_BYTES)
        head = self._heads.get(hashlib.sha256(data[:end]).digest()) if end > 0 else None
        body = data[end + len(_END) :]
        return (head, body) if head is not None and head.length == len(body) else None

    def learn(self, data: bytes, scope: Scope) -> None:
        """Remember the head of a whole request that has just been parsed, the second time that it comes."""
        end = data.find(_END, 0, _MAX_BYTES)
        if end <= 0 or scope["method"] != "POST" or scope["http_version"] != "1.1":
            return
        digest = hashlib.sha256(data[:end]).digest()
        if digest in self._heads:
            self._keep(digest, scope, len(data) - end - len(_END))
        else:
            self._heads[digest] = None
            if len(self._heads) > _KEPT:
                self._heads.popitem(last=False)

    def _keep(self, digest: bytes, scope: Scope, length: int) -> None:
        try:
            head = self._read(scope)
        except NanoGridError:
            return
        # Whose request may be refused before its body is read is looked at each time: functions' callers, signatories.
        if head.route.check is not None:
            return
        # A stream is sent with more care, too.
        streams = EVENTS in head.route.answer_media_types and EVENTS in head.headers.get("accept", "")
        whole = head.length == length <= head.route.max_body and not streams
        if whole and not any(name in head.headers for name in _SPECIAL):
            self._heads[digest] = head
