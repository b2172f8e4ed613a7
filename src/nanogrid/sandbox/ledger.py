"""The pool's books: every sandbox, shelf and stock, and each single entry that changes them.

An entry keeps all counts in agreement; when to make which is the inventory's to decide. Nothing here does I/O.
"""

from collections import deque
from collections.abc import Iterable

from nanogrid.clock import Clock
from nanogrid.model import Function, Network
from nanogrid.ports import Claim, Sandbox
from nanogrid.sandbox.budget import ESTIMATE_MB, Budget
from nanogrid.sandbox.shelves import End, Key, Kind, Quota, Resident, Shelf, Step, Stock, key_of

#: Sandboxes measured at a time: reading one costs some 30 microseconds, and runs wait meanwhile.
WEIGHED_AT_ONCE = 16


class Ledger:
    """All that the pool knows."""

    def __init__(self, clock: Clock, budget: Budget, *, runtimes: Iterable[str]) -> None:
        """Opens a stock that is always kept for each of the runtimes."""
        self._clock = clock
        self.budget = budget
        self.quotas: dict[str, Quota] = {}
        self.shelves: dict[Key, Shelf] = {}
        kinds = [(runtime, Network.NONE) for runtime in runtimes]
        self.stocks: dict[Kind, Stock] = {kind: Stock(kind, always=True) for kind in kinds}
        #: Every sandbox from its arrival until it is gone.
        self.residents: dict[Sandbox, Resident] = {}
        #: Sandboxes that the driver is making now; each has its room in the budget already.
        self.creating = 0
        #: What has been decided and not been set about yet.
        self.steps: list[Step] = []
        self._weighed = 0

    def census(self) -> dict[str, int]:
        """How many sandboxes there are, by state; those that import count as starting."""
        quotas, stocks = self.quotas.values(), self.stocks.values()
        return {
            "spare": sum(len(stock.spares) for stock in stocks),
            "warm": sum(len(shelf.idle) for shelf in self.shelves.values()),
            "busy": sum(quota.busy for quota in quotas),
            "starting": sum(quota.providing for quota in quotas) + sum(stock.starting for stock in stocks),
        }

    # Shelves and stocks

    def open_shelf(self, function: Function) -> Shelf:
        """The version's shelf, a new one if need be."""
        key = key_of(function)
        shelf = self.shelves.get(key)
        if shelf is None:
            quota = self.quotas.setdefault(function.function_id, Quota())
            if function.version > quota.newest:
                quota.newest, quota.limit = function.version, function.concurrency
            shelf = self.shelves[key] = Shelf(function, quota, function.idle_ttl_ms / 1000)
            quota.shelves.append(shelf)
        return shelf

    def tidy(self, shelf: Shelf) -> None:
        """Close the shelf of a version of which nothing is left."""
        quota = shelf.quota
        if not shelf.empty or shelf not in quota.shelves:
            return
        quota.shelves.remove(shelf)
        del self.shelves[key_of(shelf.function)]
        if not quota.shelves:
            del self.quotas[shelf.function.function_id]
        elif shelf.function.version == quota.newest:
            # It may have been one that was tried and could not be loaded: then the one before is the newest again.
            newest = max((other.function for other in quota.shelves), key=lambda other: other.version)
            quota.newest, quota.limit = newest.version, newest.concurrency

    def open_stock(self, kind: Kind) -> Stock:
        """The stock of that kind, a new one if need be."""
        stock = self.stocks.get(kind)
        if stock is None:
            stock = self.stocks[kind] = Stock(kind)
        return stock

    # A sandbox's life

    def reserve(self) -> None:
        """One more is being made."""
        self.creating += 1
        self.budget.enter(ESTIMATE_MB)

    def cancel_reservation(self) -> None:
        """It could not be made."""
        self.creating -= 1
        self.budget.leave(ESTIMATE_MB)

    def enter(self, sandbox: Sandbox) -> Resident:
        """It has been made."""
        self.creating -= 1
        resident = self.residents[sandbox] = Resident(sandbox, ESTIMATE_MB)
        return resident

    def assign(self, resident: Resident, shelf: Shelf) -> None:
        """It is for this version, from now to its end."""
        resident.shelf = shelf
        shelf.residents += 1

    def shelve(self, resident: Resident, shelf: Shelf) -> None:
        """It is warm and idle."""
        resident.idle_since = self._clock.monotonic()
        shelf.idle.append(resident)

    def claim(self, resident: Resident, quota: Quota, *, cold: bool = False, init_ms: float = 0.0) -> Claim:
        """It is busy, and belongs to whoever holds the claim."""
        claim = resident.claim = Claim(sandbox=resident.sandbox, cold=cold, init_ms=init_ms)
        quota.busy += 1
        return claim

    def end(self, resident: Resident) -> None:
        """Its end is decided; it must have been taken off its shelf or out of its stock. Idempotent."""
        if resident.ended:
            return
        resident.ended = True
        shelf = resident.shelf
        if shelf is not None:
            shelf.residents -= 1
            self.tidy(shelf)
        resident.claim = None
        self.steps.append(End(resident))

    def forget(self, resident: Resident) -> None:
        """It occupies nothing any more."""
        del self.residents[resident.sandbox]
        self.budget.leave(resident.mb)

    # Choosing among those that idle

    def pop_alive(self, idle: deque[Resident]) -> Resident | None:
        """The one used last, off its shelf or out of its stock; those that have died on the way are ended."""
        while idle:
            resident = idle.pop()
            if resident.sandbox.reusable:
                return resident
            self.end(resident)
        return None

    def remove(self, idle: deque[Resident], residents: list[Resident]) -> None:
        """Take these off their shelf, and end them."""
        for resident in residents:
            idle.remove(resident)
            self.end(resident)

    def make_room(self) -> list[Resident] | None:
        """End as many as it takes for one more to start, and return them; None where all together are not enough.

        They count no more: whoever starts the successor must see to it first that they are gone.
        """
        if self.budget.has_room():
            return []
        victims: list[tuple[Resident, deque[Resident]]] = []
        mb = 0.0
        for resident, idle in self._evictable():
            victims.append((resident, idle))
            mb += resident.mb
            if self.budget.has_room(without=len(victims), without_mb=mb):
                return [self._evicted(*victim) for victim in victims]
        return None

    def shrink(self) -> None:
        """End idle ones until the budget holds again."""
        excess = self.budget.excess_mb
        for resident, idle in self._evictable() if excess > 0 else ():
            self.remove(idle, [resident])
            excess -= resident.mb
            if excess <= 0:
                return

    def _evictable(self) -> list[tuple[Resident, deque[Resident]]]:
        """Whom to end for room, first first: versions that have a successor, then the longest idle, spares last."""
        warm = [(shelf, resident) for shelf in self.shelves.values() for resident in shelf.idle]
        warm.sort(key=lambda item: (not item[0].outdated, item[1].idle_since))
        spares = [(resident, stock.spares) for stock in self.stocks.values() for resident in stock.spares]
        return [(resident, shelf.idle) for shelf, resident in warm] + spares

    def _evicted(self, resident: Resident, idle: deque[Resident]) -> Resident:
        idle.remove(resident)
        resident.ended = True
        if resident.shelf is not None:
            resident.shelf.residents -= 1
            self.tidy(resident.shelf)
        self.forget(resident)
        return resident

    # Memory

    def weigh(self, resident: Resident) -> None:
        """Count what it occupies now."""
        mb = resident.sandbox.memory_mb or ESTIMATE_MB
        self.budget.change(mb - resident.mb)
        resident.mb = mb

    def weigh_some(self) -> None:
        """Measure a few, others each time."""
        residents = list(self.residents.values())
        begin = self._weighed if self._weighed < len(residents) else 0
        self._weighed = begin + WEIGHED_AT_ONCE
        for resident in residents[begin : self._weighed]:
            self.weigh(resident)
