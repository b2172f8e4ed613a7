"""The wire between worker and runtime: length-prefixed, bounded frames over one stream socket.

A frame is a big-endian u32 (length of the rest), one kind byte, and a JSON payload. The runtimes under
`nanogrid/runtimes/` speak the same with their own standard library; `docs/runtime-protocol.md` describes it.

    worker -> runtime   LOAD    once: where the code is, which handler, which environment and limits
                        INVOKE  one event with its context and a nonce
    runtime -> worker   READY   the runtime is up
                        LOADED  the code is imported, or why not
                        RESULT  the nonce back, and an output or an error

What comes from a runtime is hostile: any frame that is too long, of an unexpected kind, or with another nonce ends
the sandbox.
"""

import struct

import msgspec
from msgspec import Raw

from nanogrid.errors import SandboxBroken
from nanogrid.model import MAX_OUTPUT_BYTES, NULL, Record

LOAD = 1
INVOKE = 2
READY = 16
LOADED = 17
RESULT = 18

#: What a result frame carries besides the output: nonce, error text, a stack trace.
FRAME_MARGIN = 64 * 1024
MAX_FRAME = MAX_OUTPUT_BYTES + FRAME_MARGIN
HEADER = struct.Struct(">IB")


class Load(Record, frozen=True, kw_only=True):
    """Payload of LOAD."""

    code: str
    handler: str
    environment: dict[str, str]
    function_name: str
    version: int
    function_id: str
    memory_mb: int
    max_output: int = MAX_OUTPUT_BYTES


class Invoke(Record, frozen=True, kw_only=True):
    """Payload of INVOKE. `deadline_ms` is wall-clock time, milliseconds since 1970."""

    nonce: str
    run_id: str
    attempt: int
    deadline_ms: int
    event: Raw


class WireError(Record, frozen=True, kw_only=True):
    """An error as a runtime reports it."""

    kind: str
    type: str
    message: str
    stack_trace: list[str] = []


class Loaded(Record, frozen=True, kw_only=True):
    """Payload of LOADED."""

    error: WireError | None = None


class Result(Record, frozen=True, kw_only=True):
    """Payload of RESULT."""

    nonce: str
    output: Raw = NULL
    error: WireError | None = None
    #: The process's peak since it was last reset, in KiB.
    peak_memory_kb: int = 0
    #: Whether the handler left processes behind.
    dirty: bool = False


_encoder = msgspec.json.Encoder()
_result_decoder = msgspec.json.Decoder(Result)
_loaded_decoder = msgspec.json.Decoder(Loaded)


def encode(kind: int, payload: Record) -> bytearray:
    """A whole frame, ready to be written at once."""
    frame = bytearray(HEADER.size)
    _encoder.encode_into(payload, frame, HEADER.size)
    HEADER.pack_into(frame, 0, len(frame) - 4, kind)
    return frame


def decode_result(payload: bytes | bytearray | memoryview) -> Result:
    """Read a RESULT payload. Raises `SandboxBroken` where it is not one."""
    try:
        return _result_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SandboxBroken(f"the runtime sent a result that cannot be read: {exc}") from exc


def decode_loaded(payload: bytes | bytearray | memoryview) -> Loaded:
    """Read a LOADED payload. Raises `SandboxBroken` where it is not one."""
    try:
        return _loaded_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SandboxBroken(f"the runtime sent a load report that cannot be read: {exc}") from exc


class FrameReader:
    """Cuts a byte stream into frames. Bounded: holds one frame at most and refuses a longer one at its header."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        """`max_frame` is the largest payload in bytes."""
        self._max = max_frame
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> list[tuple[int, bytes]]:
        """Add bytes; return the frames they complete, as kind and payload. Raises `SandboxBroken`."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        start = 0
        while len(buffer) - start >= HEADER.size:
            length, kind = HEADER.unpack_from(buffer, start)
            if not 1 <= length <= self._max + 1:
                raise SandboxBroken(f"the runtime announced a frame of {length} bytes; {self._max} are allowed")
            end = start + 4 + length
            if len(buffer) < end:
                break
            frames.append((kind, bytes(memoryview(buffer)[start + HEADER.size : end])))
            start = end
        del buffer[:start]
        return frames
