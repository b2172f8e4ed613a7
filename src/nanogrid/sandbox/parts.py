"""Takes the parts of a run's output from its runtime: what comes is hostile."""

from msgspec import Raw

from nanogrid import wire
from nanogrid.errors import SandboxBroken
from nanogrid.model import MAX_STREAM_BYTES, RECORDED_STREAM_BYTES
from nanogrid.ports import Part


class Parts:
    """The parts of one run: each is handed on, and the first of them are kept for the run's record."""

    def __init__(self, nonce: str) -> None:
        """`nonce` is that of the run's order."""
        self._nonce = nonce
        self._bytes = 0
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        #: Whether the record has not all of them.
        self.truncated = False

    def take(self, payload: bytes | memoryview) -> Part:
        """The part. Raises `SandboxBroken` for whatever may not come, `RecursionError` for what nests too deep."""
        part = wire.decode_part(payload)
        if part.nonce != self._nonce:
            raise SandboxBroken("it sent a part with a nonce that is not this run's")
        value = bytes(part.part)
        self._bytes += len(value)
        self._keep(value)
        return Part(value=Raw(value), base64=part.base64)

    @property
    def any(self) -> bool:
        """Whether one has come."""
        return self._bytes > 0

    @property
    def too_many(self) -> bool:
        """Whether more came than one run may send."""
        return self._bytes > MAX_STREAM_BYTES

    def output(self) -> Raw:
        """What the record has as the output: the list of the parts, or of the first of them."""
        return Raw(b"[" + b",".join(self._kept) + b"]")

    def _keep(self, value: bytes) -> None:
        self._kept_bytes += len(value) + 1
        self.truncated = self.truncated or self._kept_bytes > RECORDED_STREAM_BYTES
        if not self.truncated:
            self._kept.append(value)
