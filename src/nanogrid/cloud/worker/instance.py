"""The EC2 instance that a worker runs on: says when it is to leave, and is told how that goes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nanogrid.clock import Clock
from nanogrid.cloud.worker.auto_scaling import AutoScaling
from nanogrid.cloud.worker.departure import SCALE_IN_GRACE_S, SPOT_GRACE_S, SPOT_MARGIN_S, Departure, Reason
from nanogrid.cloud.worker.metadata import Metadata, SpotAction
from nanogrid.errors import PlatformError
from nanogrid.observe import Log

T = TypeVar("T")

#: From one look at the metadata to the next; a drain has to begin within six seconds of a spot notice.
_LOOK_S = 2.0
#: From one heartbeat of a waiting hook to the next; the shortest hook that AWS allows waits for 30 seconds.
_BEAT_S = 10.0
#: How often the last word to the hook is tried. Where all fail, the hook's own time-out ends the instance.
_TRIES = 5


class Instance:
    """One instance of the worker group."""

    def __init__(self, metadata: Metadata, group: AutoScaling, clock: Clock, log: Log) -> None:
        """Sends nothing yet."""
        self._metadata = metadata
        self._group = group
        self._clock = clock
        self._log = log

    async def departure(self) -> Departure:
        """Return as soon as the instance is to go."""
        looks = {asyncio.create_task(self._scale_in()), asyncio.create_task(self.interruption())}
        try:
            done, _ = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
            return min((task.result() for task in done), key=lambda departure: departure.grace_s)
        finally:
            for task in looks:
                task.cancel()

    async def interruption(self) -> Departure:
        """Return as soon as there is a spot notice."""
        action = await self._seen(self._metadata.spot_action, lambda action: action is not None)
        return Departure(Reason.SPOT, self._left(action) if action else SPOT_GRACE_S)

    async def hold(self) -> None:
        """Ask the group's hook to go on waiting, again and again, until cancelled."""
        while True:
            try:
                await self._group.keep_waiting()
            except PlatformError as exc:
                self._log.warning("instance.heartbeat_failed", error=str(exc))
            await self._clock.sleep(_BEAT_S)

    async def let_go(self) -> None:
        """Tell the group that nothing keeps the instance any more. Never raises."""
        for tried in range(1, _TRIES + 1):
            try:
                await self._group.go_on()
            except PlatformError as exc:
                self._log.warning("instance.completion_failed", tried=tried, error=str(exc))
                await self._clock.sleep(tried)
            else:
                return

    async def protect_while(self, busy: Callable[[], bool], *, idle_s: float) -> None:
        """Keep scale-in away from the instance while it is busy, until cancelled.

        It is protected as soon as it is seen busy, and no longer so when it was idle for `idle_s` seconds: however
        often it changes, the group hears of it twice in that time at most.
        """
        protected = False
        busy_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            is_busy = busy()
            if is_busy:
                busy_at = now
            wanted = is_busy or (protected and now - busy_at < idle_s)
            if wanted != protected and await self._protected(wanted):
                protected = wanted
            await self._clock.sleep(min(1.0, idle_s))

    async def _protected(self, wanted: bool) -> bool:
        try:
            await self._group.protect(protected=wanted)
        except PlatformError as exc:
            self._log.warning("instance.protection_failed", wanted=wanted, error=str(exc))
            await self._clock.sleep(_LOOK_S)
            return False
        return True

    async def _scale_in(self) -> Departure:
        await self._seen(self._metadata.target_state, lambda state: state == "Terminated")
        return Departure(Reason.SCALE_IN, SCALE_IN_GRACE_S)

    async def _seen(self, look: Callable[[], Awaitable[T]], is_it: Callable[[T], bool]) -> T:
        """Look until it is there. Metadata that do not answer now may do so the next time."""
        while True:
            try:
                found = await look()
                if is_it(found):
                    return found
            except PlatformError as exc:
                self._log.warning("instance.metadata_failed", error=str(exc))
            await self._clock.sleep(_LOOK_S)

    def _left(self, action: SpotAction) -> float:
        """How long functions may still run; the notice names a time of day, so the clock on the wall is what counts."""
        left = (action.time - self._clock.now()).total_seconds() - SPOT_MARGIN_S
        return min(SPOT_GRACE_S, max(0.0, left))
