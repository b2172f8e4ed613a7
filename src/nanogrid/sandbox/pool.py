"""The worker's sandboxes: does what the inventory decides."""

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from nanogrid.clock import Clock, milliseconds
from nanogrid.errors import SandboxBroken, SandboxUnavailable
from nanogrid.model import Function, RunError
from nanogrid.observe import Log, Metrics
from nanogrid.ports import Claim, Sandbox, SandboxDriver, SandboxPool
from nanogrid.sandbox.budget import Budget
from nanogrid.sandbox.inventory import Inventory
from nanogrid.sandbox.shelves import Answer, End, Kind, Provide, Refill, Resident, Shelf, Stock

#: How often sandboxes are looked after, in seconds: how exact an idle time-to-live is.
_TICK_S = 1.0


class Pool(SandboxPool):
    """Warm first, then a spare, then a new one; and when there is no room, one after the other."""

    def __init__(
        self,
        driver: SandboxDriver,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        *,
        budget_mb: float,
        max_sandboxes: int = 1000,
        spares: int = 2,
        runtimes: Iterable[str] = (),
        starting_at_once: int = 4,
    ) -> None:
        """Keeps `spares` for each of the runtimes from the start, and of every kind that was called for lately.

        More of them are kept where more were asked for at once; see `Demand`.

        `budget_mb` is what all sandboxes together may really occupy; `starting_at_once` how many start in parallel.
        """
        self._driver = driver
        self._clock = clock
        self._log = log
        budget = Budget(budget_mb, max_sandboxes)
        self._inventory = Inventory(clock, budget, spares=spares, runtimes=runtimes, starting_at_once=starting_at_once)
        # What is under way: sandboxes that start, import or end. None of it belongs to a caller.
        self._work: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        for state in self.census():
            metrics.sandboxes.labels(state).set_function(partial(self._count, state))

    async def start(self) -> None:
        """Begin to look after the sandboxes, and start the first spares; does not wait for them."""
        self._keeper = asyncio.create_task(self._keep())
        self._inventory.refill()
        self._act()

    async def acquire(self, function: Function) -> Claim | RunError:
        """See `SandboxPool`. Where a warm sandbox is there, it is taken without suspension."""
        claim = self.take(function)
        if claim is not None:
            return claim
        answer: Answer = asyncio.get_running_loop().create_future()
        self._inventory.wait(function, answer)
        self._act()
        try:
            return await answer
        except asyncio.CancelledError:
            self._inventory.withdraw(function, answer)
            self._act()
            raise

    def take(self, function: Function) -> Claim | None:
        """See `SandboxPool`."""
        return self._inventory.take(function)

    def release(self, claim: Claim) -> None:
        """See `SandboxPool`. Releasing twice is harmless."""
        self._inventory.put_back(claim)
        self._act()

    def keeps(self, function_id: str) -> bool:
        """See `SandboxPool`."""
        return self._inventory.keeps(function_id)

    def census(self) -> dict[str, int]:
        """See `SandboxPool`."""
        return self._inventory.census()

    async def close(self) -> None:
        """End every sandbox, also those that are busy or starting; whoever waits gets `SandboxUnavailable`."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._inventory.close()
        self._act()
        while self._work:
            await asyncio.wait(self._work)

    def _count(self, state: str) -> float:
        return self.census()[state]

    def _act(self) -> None:
        """Set about what has been decided."""
        for step in self._inventory.plan():
            match step:
                case Provide():
                    self._begin(self._provide(step))
                case Refill():
                    self._begin(self._refill(step))
                case End():
                    self._begin(self._end(step.resident))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _provide(self, work: Provide) -> None:
        """Bring a sandbox onto a shelf; every way out has told the inventory."""
        began = self._clock.monotonic()
        resident = work.spare
        try:
            if resident is None:
                await asyncio.gather(*map(self._kill, work.victims))
                resident = await self._create(work.shelf.kind, work.shelf)
            error = await _load(resident.sandbox, work.shelf.function)
        except Exception as exc:  # noqa: BLE001 - the task's top: whatever it was, who waits must hear of it
            self._inventory.not_provided(work, resident, exc)
        else:
            self._loaded(work, resident, error, milliseconds(self._clock.monotonic() - began))
        self._act()

    def _loaded(self, work: Provide, resident: Resident, error: RunError | None, init_ms: float) -> None:
        if error is None:
            self._inventory.provided(work, resident, init_ms)
        else:
            self._inventory.not_provided(work, resident, error)

    async def _refill(self, work: Refill) -> None:
        failed = False
        try:
            await self._create(work.stock.kind, work.stock)
        except Exception as exc:  # noqa: BLE001 - the task's top: nobody waits for a spare, so nobody else would tell
            failed = True
            self._log.warning("pool.spare_failed", runtime=work.stock.kind[0], error=str(exc))
        self._inventory.refilled(work.stock, failed=failed)
        self._act()

    async def _create(self, kind: Kind, goal: Shelf | Stock) -> Resident:
        try:
            sandbox = await self._driver.create(*kind)
        except BaseException:
            self._inventory.never_arrived()
            raise
        resident = self._inventory.arrived(sandbox, goal)
        self._act()
        if resident.ended:
            raise SandboxUnavailable("this worker is stopping; the sandbox that it has just started is ended.")
        return resident

    async def _end(self, resident: Resident) -> None:
        await self._kill(resident)
        self._inventory.gone(resident)
        self._act()

    async def _kill(self, resident: Resident) -> None:
        try:
            await resident.sandbox.kill()
        except Exception as exc:  # noqa: BLE001 - the end of the line: were it not counted as gone, its room were lost
            self._log.error("pool.kill_failed", error=str(exc))

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(_TICK_S)
            try:
                self._inventory.tick()
            except Exception as exc:  # noqa: BLE001 - the loop's top: without it nothing would ever expire again
                self._log.error("pool.tick_failed", error=f"{type(exc).__name__}: {exc}")
            self._act()


async def _load(sandbox: Sandbox, function: Function) -> RunError | None:
    error = await sandbox.load(function)
    if error is None and not sandbox.reusable:
        raise SandboxBroken(f"the sandbox of {function.name} version {function.version} died right after its import.")
    return error
