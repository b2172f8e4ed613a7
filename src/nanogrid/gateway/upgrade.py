"""What to do about `Upgrade`: nothing. The request is answered as if it had not asked, as RFC 9110 (7.8) wants it.

The parser stops at such a request as if what follows spoke another protocol, and takes its body for that. Java's
client, for one, sends the header with every first request, bodies included.
"""

from collections.abc import Iterable
from typing import Any

import httptools

#: What says where a body ends.
_FRAMING = (b"content-length", b"transfer-encoding")


class ParserBehindUpgrade:
    """Passes on what a fresh parser finds behind a head; the protocol has seen the head itself."""

    def __init__(self, protocol: Any) -> None:
        """`protocol` gets the calls that `parser` makes."""
        self._protocol = protocol
        self._behind = False
        # Looks for its callbacks now, once, and does without those that are not there.
        self.parser = httptools.HttpRequestParser(self)

    def begin(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Bring the parser to where the body of a request with these headers begins, or its end if it has none."""
        framing = b"".join(b"%b: %b\r\n" % (name, value) for name, value in headers if name in _FRAMING)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        self._behind = True

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        callback = getattr(self._protocol, name)

        def call(*values: Any) -> None:
            if self._behind or name == "on_message_complete":
                callback(*values)

        return call
