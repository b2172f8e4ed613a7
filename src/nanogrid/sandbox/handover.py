"""What a run hands out before its answer: the parts of its output, then the files that it left."""

import asyncio

from nanogrid import wire
from nanogrid.clock import Clock
from nanogrid.errors import SandboxBroken
from nanogrid.model import ArtifactLimits, Record
from nanogrid.ports import Outlet
from nanogrid.sandbox.artifacts import Intake
from nanogrid.sandbox.channel import BROKEN, EXPIRED, FLOODED, Channel
from nanogrid.sandbox.parts import Parts
from nanogrid.wire import Frame

#: What comes before an answer.
HANDED = frozenset({wire.ARTIFACT, wire.PART})
_GO = wire.encode(wire.GO, Record())


class Handover:
    """Takes frame after frame, each as soon as the one before has found its place, until the answer comes."""

    def __init__(
        self,
        channel: Channel,
        clock: Clock,
        outlet: Outlet | None,
        *,
        run_id: str,
        nonce: str,
        limits: ArtifactLimits | None,
        streams: bool,
    ) -> None:
        """`nonce` is that of the run's order; without `limits` no files may come, unless `streams` no parts."""
        self._channel = channel
        self._clock = clock
        self._outlet = outlet
        self._run_id = run_id
        self._limits = limits
        self._streams = streams
        self.files = Intake(run_id, nonce, limits or ArtifactLimits())
        self.parts = Parts(nonce)
        #: What bounds the wait for a reader, while there is one.
        self._waiting: asyncio.Timeout | None = None

    def stop(self) -> None:
        """The sandbox is at its end: nobody waits for a reader any more."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(0.0)

    async def until_answer(self, kind: int, payload: bytes | memoryview, due: float) -> Frame:
        """The first frame that is none of these; `due` is when the run is over, by the clock.

        What the keeping of files takes is not the function's time; what a slow reader of parts takes is.
        """
        while kind in HANDED:
            now = self._clock.monotonic()
            try:
                if kind == wire.ARTIFACT:
                    await self._keep(payload)
                    due += self._clock.monotonic() - now
                else:
                    await self._pass_on(payload, due - now)
            except SandboxBroken as exc:
                return BROKEN, str(exc).encode()
            except RecursionError:
                return BROKEN, b"it sent a part that nests too deep"
            except TimeoutError:
                return EXPIRED, b""
            if self.parts.too_many:
                return FLOODED, b""
            kind, payload = await self._channel.exchange(_GO, max(0.0, due - self._clock.monotonic()))
        return kind, payload

    async def _keep(self, payload: bytes | memoryview) -> None:
        if self._limits is None:
            raise SandboxBroken("it sent a file that was not asked for")
        file = self.files.take(payload)
        if file is not None and self._outlet is not None:
            self.files.kept.append(await self._outlet.keep(self._run_id, *file))

    async def _pass_on(self, payload: bytes | memoryview, left_s: float) -> None:
        if not self._streams or self._outlet is None:
            raise SandboxBroken("it sent a part that was not asked for")
        part = self.parts.take(payload)
        try:
            async with asyncio.timeout(left_s) as self._waiting:
                await self._outlet.part(self._run_id, part)
        finally:
            self._waiting = None
