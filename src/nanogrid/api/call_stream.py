"""What a function yields as the answer to its caller: a head, if the first part is one, then the body in pieces."""

import base64
import binascii
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from msgspec import Raw, structs

from nanogrid.api.call_answer import BODILESS, BYTES, TEXT, answer_of, checked, is_told, plain_answer
from nanogrid.api.message import Answer, Stream
from nanogrid.api.streamed_run import StreamedRun, parts_of
from nanogrid.errors import PlatformError
from nanogrid.model import Run
from nanogrid.ports import Part

_LINES = "application/x-ndjson"


async def streamed_answer(run: StreamedRun, first: Part) -> Stream:
    """The answer that begins with this part. Raises `AnswerRefused` where that is a head, and no good one."""
    head = _head(first, run.run_id)
    return Stream(
        pieces=_pieces(run, first, head),
        status=head.status,
        media_type=head.media_type,
        headers=head.headers,
    )


def gathered_answer(run: Run) -> Answer:
    """The same in one piece, from the record of a run that has yielded. Raises as `call_answer`."""
    checked(run)
    parts = [Part(value=value) for value in msgspec.json.decode(run.output, type=list[Raw])]
    if not parts:
        return structs.replace(plain_answer(run.run_id, TEXT), status=200)
    head = _head(parts[0], run.run_id)
    pieces = [piece_of(part) for part in (parts[1:] if is_told(parts[0].value) else parts)]
    return structs.replace(head, body=b"" if head.status in BODILESS else head.body + b"".join(pieces))


async def _pieces(run: StreamedRun, first: Part, head: Answer) -> AsyncGenerator[bytes, None]:
    """The body. Raises in the middle where the run fails: the connection breaks off, and nobody takes it for whole."""
    async with aclosing(parts_of(run, None if is_told(first.value) else first)) as parts:
        if head.body:
            yield head.body
        async for part in parts:
            piece = piece_of(part)
            if piece and head.status not in BODILESS:
                yield piece
        checked(await run.ended())


def _head(first: Part, run_id: str) -> Answer:
    if not first.base64 and is_told(first.value):
        return answer_of(first.value, run_id)
    if first.base64:
        return plain_answer(run_id, BYTES)
    return plain_answer(run_id, TEXT if _is_text(first) else _LINES)


def piece_of(part: Part) -> bytes:
    """A part of the body: text and bytes as they are, all else as a line of JSON."""
    if not part.base64 and not _is_text(part):
        return bytes(part.value) + b"\n"
    text: str = msgspec.json.decode(part.value, type=str)
    if not part.base64:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise PlatformError("the runtime sent bytes that are no base64.") from exc


def _is_text(part: Part) -> bool:
    return bytes(part.value).lstrip().startswith(b'"')
