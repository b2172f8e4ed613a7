"""Carries what runs yield to who reads it, within one process; a slow reader makes the run wait."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from nanogrid.errors import PlatformError
from nanogrid.ports import Part

#: How much may lie between a run and its reader, in bytes; one part may be more.
_ROOM_BYTES = 256 * 1024


class PartStream:
    """The parts of one run, for its one reader."""

    def __init__(self) -> None:
        """Open."""
        self._parts: deque[Part] = deque()
        self._bytes = 0
        self._handed_out = False
        self._ended = False
        self._broken = False
        #: Set whenever something has changed.
        self._changed = asyncio.Event()
        #: Whether an attempt at the run has begun.
        self.begun = False

    def begin(self) -> bool:
        """An attempt at the run begins; whether its parts are wanted: not where parts of an earlier one are out."""
        self._broken = self._handed_out
        self.begun = True
        self._changed.set()
        return not self._broken and not self._ended

    async def put(self, part: Part) -> None:
        """Add a part; returns when there is room for the next one, or nobody reads any more."""
        self._parts.append(part)
        self._bytes += len(part.value)
        self._handed_out = True
        self._changed.set()
        while self._bytes > _ROOM_BYTES and not self._ended:
            await self._change()

    async def next(self) -> Part | None:
        """The next part; None where no more will come. Safe to cancel.

        Raises `PlatformError` where the run was begun anew after some of its parts had been read.
        """
        while not self._parts and not self._ended and not self._broken:
            await self._change()
        if self._broken:
            raise PlatformError("the run was begun anew after it had yielded.", hint="Its record has how it ended.")
        if not self._parts:
            return None
        part = self._parts.popleft()
        self._bytes -= len(part.value)
        self._changed.set()
        return part

    async def beginning(self) -> None:
        """Return when an attempt has begun, or the run has ended without one."""
        while not self.begun and not self._ended:
            await self._change()

    def end(self) -> None:
        """No more parts will come, or be read. Idempotent."""
        self._ended = True
        self._changed.set()

    async def _change(self) -> None:
        # Everybody who waits looks anew: there are two at most, the run and its reader.
        changed = self._changed = asyncio.Event() if self._changed.is_set() else self._changed
        await changed.wait()


class PartStreams:
    """The streams that are open in this process, by run."""

    def __init__(self) -> None:
        """None is open."""
        self._open: dict[str, PartStream] = {}

    @contextmanager
    def opened(self, run_id: str) -> Iterator[PartStream]:
        """A stream of what the run will yield."""
        stream = self._open[run_id] = PartStream()
        try:
            yield stream
        finally:
            del self._open[run_id]
            stream.end()

    def begin(self, run_id: str) -> bool:
        """An attempt at the run begins; whether somebody reads its parts."""
        stream = self._open.get(run_id)
        return stream is not None and stream.begin()

    async def put(self, run_id: str, part: Part) -> None:
        """Hand on a part; returns when there is room for the next one."""
        stream = self._open.get(run_id)
        if stream is not None:
            await stream.put(part)
