"""Log lines: the latest ones out of the records of runs, and those that are written now as server-sent events."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager

import msgspec
from msgspec import structs

from nanogrid.api.log_level import level_of
from nanogrid.model import LogLine, Run


def recent_lines(runs: Iterable[Run], limit: int) -> list[LogLine]:
    """The last `limit` lines of runs that come newest first; oldest line first.

    A record keeps no time per line: each line has the time at which its run ended.
    """
    lines: list[LogLine] = []
    for run in runs:
        at = run.ended_at or run.started_at or run.created_at
        texts = run.logs.text.removesuffix("\n").split("\n") if run.logs.text else []
        wanted = texts[max(0, len(texts) - limit + len(lines)) :]
        lines += [
            LogLine(run_id=run.run_id, function_id=run.function_id, at=at, text=text, level=level_of(text))
            for text in reversed(wanted)
        ]
        if len(lines) >= limit:
            break
    return lines[::-1]


async def follow_lines(
    lines: AbstractAsyncContextManager[AsyncIterator[LogLine]], *, heartbeat_s: float
) -> AsyncGenerator[bytes, None]:
    """Each line as one event, and a comment whenever nothing was written for `heartbeat_s` seconds.

    The first piece, a comment, comes when nothing can be missed any more.
    """
    async with lines as feed:
        yield b": following\n\n"
        upcoming = asyncio.ensure_future(anext(feed))
        try:
            while True:
                done, _ = await asyncio.wait({upcoming}, timeout=heartbeat_s)
                if not done:
                    yield b": still here\n\n"
                    continue
                line = upcoming.result()
                line = structs.replace(line, level=level_of(line.text))
                yield b"event: log\ndata: " + msgspec.json.encode(line) + b"\n\n"
                upcoming = asyncio.ensure_future(anext(feed))
        except StopAsyncIteration:
            return
        finally:
            upcoming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await upcoming
