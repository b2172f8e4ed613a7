"""A run as server-sent events: each part as it comes, then the whole run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from msgspec import UNSET, structs

from nanogrid.api.streamed_run import StreamedRun, parts_of
from nanogrid.model import Run
from nanogrid.ports import Part

_STILL_HERE = b": still here\n\n"
#: Within JSON both are nothing but white space.
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


async def run_events(run: StreamedRun, *, heartbeat_s: float) -> AsyncGenerator[bytes, None]:
    """The events; a comment whenever nothing came for `heartbeat_s` seconds. Whoever leaves has the run cancelled."""
    async with aclosing(parts_of(run)) as parts:
        upcoming: asyncio.Future[Part | None] = asyncio.ensure_future(anext(parts, None))
        try:
            while True:
                done, _ = await asyncio.wait({upcoming}, timeout=heartbeat_s)
                if not done:
                    yield _STILL_HERE
                    continue
                part = upcoming.result()
                if part is None:
                    break
                yield _event(b"bytes" if part.base64 else b"part", bytes(part.value))
                upcoming = asyncio.ensure_future(anext(parts, None))
        finally:
            upcoming.cancel()
            await asyncio.wait([upcoming])
        yield _event(b"run", msgspec.json.encode(_without_input(await run.ended())))


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data.translate(_LINE_ENDS))


def _without_input(run: Run) -> Run:
    return run if run.input is UNSET else structs.replace(run, input=UNSET)
