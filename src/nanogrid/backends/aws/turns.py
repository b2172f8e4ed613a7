"""Whose turn it is, on every worker of the grid: the lanes of this process, and slots that all of them share."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine

from nanogrid.backends.aws.cancellation import heeding_cancellation
from nanogrid.backends.aws.slots import HOLD_EVERY_S, Limit, Slots, limits_of
from nanogrid.backends.lanes import Lanes, QueuedTask
from nanogrid.clock import Clock

_FAREWELL_S = 3.0


class Turns:
    """Lanes, before which tasks of limited functions and tenants wait for a slot.

    Where Redis is away such tasks wait until it is back: a limit is a promise. All others go on.
    """

    def __init__(self, slots: Slots, clock: Clock, tell: Callable[[], None]) -> None:
        """`run` has to run besides. `tell` is called when a task got its turn while somebody waits."""
        self._slots = slots
        self._clock = clock
        self._tell = tell
        self._lanes = Lanes()
        #: Without a slot yet, by receipt, for each function.
        self._hoping: dict[str, dict[str, QueuedTask]] = {}
        #: By receipt: which limits it has a slot of.
        self._slotted: dict[str, tuple[Limit, ...]] = {}
        #: Slots that nobody has taken up yet.
        self._untaken: set[str] = set()
        #: How many tasks somebody waits for now: no more slots are taken than can be used.
        self._wanted = 0
        #: One request after the other: a slot that is given back is not held again by a request that was on its way.
        self._lock = asyncio.Lock()
        self._chores: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether `take` may give a task."""
        return self._lanes.ready

    @property
    def hopeful(self) -> bool:
        """Whether a task may get its turn because another worker is done with one."""
        return bool(self._hoping)

    def want(self, more: int) -> None:
        """So many more tasks could be taken up at once from now on; fewer, where the number is below zero."""
        self._wanted += more

    def put(self, entry: QueuedTask) -> None:
        """Add a task behind its function's others."""
        if limits_of(entry.task):
            self._hoping.setdefault(entry.task.function_id, {})[entry.receipt] = entry
        else:
            self._lanes.put(entry)

    def take(self) -> QueuedTask | None:
        """The next task whose turn it is."""
        entry = self._lanes.take()
        if entry is not None:
            self._untaken.discard(entry.receipt)
        return entry

    def let_go(self, entry: QueuedTask) -> None:
        """A task that was taken is done, or lost."""
        self._lanes.let_go(entry)
        self._give(entry)

    def drop(self, entry: QueuedTask) -> None:
        """A task that was put will not be taken; the lanes may still give it."""
        hoping = self._hoping.get(entry.task.function_id, {})
        if hoping.pop(entry.receipt, None) is not None and not hoping:
            del self._hoping[entry.task.function_id]
        self._give(entry)

    async def ask(self) -> None:
        """Take as many slots as there are, and can be used. Nothing is asked where no task needs one."""
        if self._hoping:
            # A task of its own: whoever is cancelled here may have got slots, and nobody would know of them.
            await asyncio.shield(self._do(self._ask()))

    async def run(self) -> None:
        """Hold the slots of what runs here until cancelled."""
        with heeding_cancellation():
            await self._slots.begin()
        while True:
            await self._clock.sleep(HOLD_EVERY_S)
            async with self._lock:
                held: defaultdict[str, list[str]] = defaultdict(list)
                for receipt, limits in self._slotted.items():
                    for limit in limits:
                        held[limit.key].append(receipt)
                with heeding_cancellation():
                    await self._slots.hold(held)

    async def close(self) -> None:
        """Return when every slot that was let go is given back, or Redis took too long over it."""
        if self._chores:
            _, late = await asyncio.wait(self._chores, timeout=_FAREWELL_S)
            for chore in late:
                chore.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _ask(self) -> None:
        async with self._lock:
            for hoping in list(self._hoping.values()):
                await self._ask_for(list(hoping.values())[: max(0, self._wanted - len(self._untaken))])
        if self.ready:
            self._tell()

    async def _ask_for(self, entries: list[QueuedTask]) -> None:
        if not entries:
            return
        limits = limits_of(entries[0].task)
        taken = await self._slots.take(limits, [entry.receipt for entry in entries])
        for entry in entries[:taken]:
            self._slotted[entry.receipt] = limits
            hoping = self._hoping.get(entry.task.function_id, {})
            if hoping.pop(entry.receipt, None) is None:
                # It was dropped while Redis was asked.
                self._give(entry)
                continue
            if not hoping:
                del self._hoping[entry.task.function_id]
            self._untaken.add(entry.receipt)
            self._lanes.put(entry)

    def _give(self, entry: QueuedTask) -> None:
        limits = self._slotted.pop(entry.receipt, None)
        self._untaken.discard(entry.receipt)
        if limits is not None:
            self._do(self._given(entry.receipt, limits))

    async def _given(self, receipt: str, limits: tuple[Limit, ...]) -> None:
        async with self._lock:
            await self._slots.give(limits, receipt)
        if self._hoping:
            await self._ask()

    def _do(self, chore: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task
