"""The wire between worker and runtime: length-prefixed, bounded frames over one stream socket.

A frame is a big-endian u32 (length of the rest), one kind byte, and a JSON payload. The runtimes under
`nanogrid/runtimes/` speak the same with their own standard library; `docs/runtime-protocol.md` describes it.

    worker -> runtime   LOAD    once: where the code is, which handler, which environment and limits
                        INVOKE  one event with its context and a nonce
                        GO      what came was taken: go on
    runtime -> worker   READY   the runtime is up
                        LOADED  the code is imported, or why not
                        PART    one of the values that the handler yields, before its RESULT; waits for GO
                        ARTIFACT  a piece of a file that the run left, before its RESULT; waits for GO
                        RESULT  the nonce back, and an output or an error

What comes from a runtime is hostile: any frame that is too long, of an unexpected kind, or with another nonce ends
the sandbox.
"""

import struct

import msgspec
from msgspec import Raw

from nanogrid.errors import SandboxBroken
from nanogrid.model import MAX_OUTPUT_BYTES, NULL, ArtifactLimits, Record

LOAD = 1
INVOKE = 2
GO = 3
READY = 16
LOADED = 17
RESULT = 18
ARTIFACT = 19
PART = 20

#: What a result frame carries besides the output: nonce, error text, a stack trace.
FRAME_MARGIN = 64 * 1024
MAX_FRAME = MAX_OUTPUT_BYTES + FRAME_MARGIN
#: The head of an ARTIFACT with its line's end; every character of a path may be escaped.
MAX_ARTIFACT_HEAD = 8 * 1024
HEADER = struct.Struct(">IB")
#: A kind that no byte can be: the header was impossible, and nothing after it has been read. The payload is the header.
REFUSED = 256

#: Reading nested JSON uses up the interpreter's stack: so many levels stay free for who reads it from deeper in.
_SPARE_LEVELS = 500
#: What is read at once while no frame has begun, and while one is under way.
_READ_FIRST = 64 * 1024
_READ_MORE = 256 * 1024

#: Kind and payload.
Frame = tuple[int, bytes | memoryview]


class Load(Record, frozen=True, kw_only=True):
    """Payload of LOAD."""

    code: str
    handler: str
    environment: dict[str, str]
    function_name: str
    version: int
    function_id: str
    memory_mb: int
    #: Which of the runtimes that a program serves.
    runtime: str = ""
    max_output: int = MAX_OUTPUT_BYTES
    #: How much of its output folder is handed over; without it there is no such folder.
    artifacts: ArtifactLimits | None = None


class Invoke(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Payload of INVOKE, the event last. `deadline_ms` is wall-clock time, milliseconds since 1970."""

    nonce: str
    run_id: str
    attempt: int
    deadline_ms: int
    traceparent: str = ""
    #: Whether what the handler yields is sent part by part.
    stream: bool = False
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
    #: Whether the handler has yielded its output.
    streamed: bool = False
    error: WireError | None = None
    #: The process's peak since it was last reset, in KiB.
    peak_memory_kb: int = 0
    #: Whether the handler left processes behind.
    dirty: bool = False


class Part(Record, frozen=True, kw_only=True):
    """Payload of PART."""

    nonce: str
    #: Whether the part is base64 of bytes.
    base64: bool = False
    part: Raw


class ArtifactHead(Record, frozen=True, kw_only=True):
    """The first line of ARTIFACT; a piece of the file follows, as it is."""

    nonce: str
    path: str
    #: Whether the file ends with this piece.
    last: bool


class _LongError(Record, frozen=True, kw_only=True):
    """A `WireError` without its trace: a million empty lines fit into a frame, and would become a million objects."""

    kind: str
    type: str
    message: str


class _LongResult(Record, frozen=True, kw_only=True):
    nonce: str
    output: Raw = NULL
    streamed: bool = False
    error: _LongError | None = None
    peak_memory_kb: int = 0
    dirty: bool = False


_encoder = msgspec.json.Encoder()
_result_decoder = msgspec.json.Decoder(Result)
_long_result_decoder = msgspec.json.Decoder(_LongResult)
_loaded_decoder = msgspec.json.Decoder(Loaded)
_part_decoder = msgspec.json.Decoder(Part)
_artifact_head_decoder = msgspec.json.Decoder(ArtifactHead)
_depth_decoder = msgspec.json.Decoder(Raw)


def encode(kind: int, payload: Record) -> bytearray:
    """A whole frame, ready to be written at once."""
    frame = bytearray(HEADER.size)
    _encoder.encode_into(payload, frame, HEADER.size)
    HEADER.pack_into(frame, 0, len(frame) - 4, kind)
    return frame


def decode_result(payload: bytes | memoryview) -> Result:
    """Read a RESULT payload, its output checked to be JSON in UTF-8.

    Raises `SandboxBroken` where it is not one, `RecursionError` where its output nests too deep.
    """
    try:
        result = _result_decoder.decode(payload) if len(payload) <= FRAME_MARGIN else _decode_long_result(payload)
        # A Raw is checked as JSON, but not as UTF-8.
        str(result.output, "utf-8")
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SandboxBroken(f"the runtime sent a result that cannot be read: {exc}") from exc
    check_depth(result.output)
    return result


def decode_part(payload: bytes | memoryview) -> Part:
    """Read a PART payload, its value checked to be JSON in UTF-8.

    Raises `SandboxBroken` where it is not one, `RecursionError` where it nests too deep.
    """
    try:
        part = _part_decoder.decode(payload)
        str(part.part, "utf-8")
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SandboxBroken(f"the runtime sent a part that cannot be read: {exc}") from exc
    check_depth(part.part)
    return part


def decode_artifact(payload: bytes | memoryview) -> tuple[ArtifactHead, memoryview]:
    """Read an ARTIFACT payload: its head and the piece. Raises `SandboxBroken` where it is not one."""
    view = memoryview(payload)
    line, found, _ = bytes(view[:MAX_ARTIFACT_HEAD]).partition(b"\n")
    try:
        if not found:
            raise SandboxBroken("the runtime sent a piece of a file without a head")
        return _artifact_head_decoder.decode(line), view[len(line) + 1 :]
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SandboxBroken(f"the runtime sent a piece of a file that cannot be read: {exc}") from exc


def decode_loaded(payload: bytes | memoryview) -> Loaded:
    """Read a LOADED payload. Raises `SandboxBroken` where it is not one."""
    if len(payload) > FRAME_MARGIN:
        raise SandboxBroken(f"the runtime sent a load report of {len(payload)} bytes; {FRAME_MARGIN} are allowed")
    try:
        return _loaded_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SandboxBroken(f"the runtime sent a load report that cannot be read: {exc}") from exc


def check_depth(text: Raw) -> None:
    """Raise `RecursionError` where the JSON nests so deep that reading it elsewhere could fail."""
    if len(text) <= _SPARE_LEVELS:
        return
    content = bytes(text)
    if content.count(b"[") + content.count(b"{") > _SPARE_LEVELS // 2:
        _depth_decoder.decode(b"[" * _SPARE_LEVELS + content + b"]" * _SPARE_LEVELS)


def _decode_long_result(payload: bytes | memoryview) -> Result:
    long = _long_result_decoder.decode(payload)
    error = None
    if long.error is not None:
        error = WireError(kind=long.error.kind, type=long.error.type, message=long.error.message)
    return Result(
        nonce=long.nonce,
        output=long.output,
        streamed=long.streamed,
        error=error,
        peak_memory_kb=long.peak_memory_kb,
        dirty=long.dirty,
    )


class FrameReader:
    """Cuts a byte stream into frames, the same however the stream is chopped.

    Bounded: whoever feeds it `wants` bytes at most makes it hold one frame at most, and a longer one is refused at its
    header: it comes as a last frame of kind `REFUSED`.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        """`max_frame` is the largest payload in bytes."""
        self._max = max_frame
        self._held = bytearray()
        self._refused = False
        #: How many bytes to read next, at most.
        self.wants = _READ_FIRST

    @property
    def held(self) -> int:
        """How many bytes of an unfinished frame it holds."""
        return len(self._held)

    def feed(self, data: bytes | memoryview) -> list[Frame]:
        """Add bytes; return the frames that they complete."""
        if self._refused:
            return []
        if not self._held and len(data) > HEADER.size:
            length, kind = HEADER.unpack_from(data)
            # Most often it is one whole frame, and nothing has to be kept or copied.
            if len(data) == 4 + length <= self._max + HEADER.size:
                return [(kind, memoryview(data)[HEADER.size :])]
        held = self._held
        held += data
        frames: list[Frame] = []
        start, missing = 0, 0
        while len(held) - start >= HEADER.size:
            length, kind = HEADER.unpack_from(held, start)
            end = start + 4 + length
            if not 1 <= length <= self._max + 1:
                frames.append((REFUSED, bytes(held[start : start + HEADER.size])))
                self._refused, start = True, len(held)
                break
            if len(held) < end:
                missing = end - len(held)
                break
            frames.append((kind, memoryview(held)[start + HEADER.size : end]))
            start = end
        # The frames keep the old buffer as it is; what is left over begins a new one.
        if start:
            self._held = held[start:]
        self.wants = min(missing, _READ_MORE) or _READ_FIRST
        return frames
