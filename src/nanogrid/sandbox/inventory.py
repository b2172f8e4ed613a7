"""The pool's decisions: whose sandbox is whose, what to start and what to end.

Nothing here does I/O or waits, so each decision is taken on a consistent picture. A decision answers waiting callers at
once; what else is to be done is handed to the caller by `plan`, and reported back when it is done.

The mutable state is: shelves (warm sandboxes and waiters of one version), stocks (spares of one kind), the queue of
hungry shelves, and the budget. After every change `_settle` or `_feed` brings it to rest again: nobody waits for what
is there, and nobody who could be provided for is left without.
"""

from collections import deque
from collections.abc import Iterable

from nanogrid.clock import Clock
from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Function, Network, RunError
from nanogrid.ports import Claim, Sandbox
from nanogrid.sandbox.budget import ESTIMATE_MB, Budget
from nanogrid.sandbox.shelves import Answer, End, Kind, Provide, Quota, Refill, Resident, Shelf, Step, Stock

#: How long a function that waits for room lets others keep a sandbox among themselves, in seconds. Each change of
#: hands costs a cold start; without any, a busy function would keep its sandboxes for ever.
PATIENCE_S = 0.25
#: How long a kind of spare is kept after somebody has called for it, in seconds.
LATELY_S = 600.0
#: How long no spare of a kind is started after one could not be, in seconds.
PAUSE_S = 10.0
#: Sandboxes measured at one tick: reading one costs some 30 microseconds, and runs wait meanwhile.
WEIGHED_PER_TICK = 16


class Inventory:
    """All sandboxes of one pool."""

    def __init__(
        self, clock: Clock, budget: Budget, *, spares: int, runtimes: Iterable[str], starting_at_once: int
    ) -> None:
        """Keeps `spares` of each of the runtimes, and of every kind that was called for lately."""
        self._clock = clock
        self._budget = budget
        self._spares = spares
        self._starting_at_once = starting_at_once
        self._shelves: dict[tuple[str, int], Shelf] = {}
        self._quotas: dict[str, Quota] = {}
        kinds = [(runtime, Network.NONE) for runtime in runtimes]
        self._stocks: dict[Kind, Stock] = {kind: Stock(kind, always=True) for kind in kinds}
        self._residents: dict[Sandbox, Resident] = {}
        # Shelves that lack sandboxes, in the order of their turns; some may have been satisfied meanwhile.
        self._hungry: deque[Shelf] = deque()
        self._waiting = 0
        self._creating = 0
        self._weighed = 0
        self._plan: list[Step] = []
        self.closed = False

    def plan(self) -> list[Step]:
        """What is to be done now; each step is given out once."""
        steps, self._plan = self._plan, []
        return steps

    def census(self) -> dict[str, int]:
        """How many sandboxes there are, by state; those that import count as starting."""
        return {
            "spare": sum(len(stock.spares) for stock in self._stocks.values()),
            "warm": sum(len(shelf.idle) for shelf in self._shelves.values()),
            "busy": sum(quota.busy for quota in self._quotas.values()),
            "starting": sum(quota.providing for quota in self._quotas.values())
            + sum(stock.starting for stock in self._stocks.values()),
        }

    # What callers ask for

    def take(self, function: Function) -> Claim | None:
        """A warm sandbox, if there is one and the function may run once more."""
        shelf = self._shelves.get((function.function_id, function.version))
        if shelf is None or shelf.quota.full:
            return None
        resident = self._pop_warm(shelf)
        return None if resident is None else self._claim(resident, shelf.quota)

    def wait(self, function: Function, answer: Answer) -> None:
        """Answer as soon as there is a sandbox. Raises `SandboxUnavailable` once the pool is closed."""
        if self.closed:
            raise _closing()
        shelf = self._shelf(function)
        shelf.waiters.append(answer)
        self._waiting += 1
        self._stock(shelf.kind).called_for_at = self._clock.monotonic()
        self._settle(shelf)

    def withdraw(self, function: Function, answer: Answer) -> None:
        """The caller has gone; what it was given already is taken back."""
        shelf = self._shelves.get((function.function_id, function.version))
        if shelf is not None and answer in shelf.waiters:
            shelf.waiters.remove(answer)
            self._waiting -= 1
            self._tidy(shelf)
        if answer.cancelled() or not answer.done() or answer.exception() is not None:
            return
        given = answer.result()
        if isinstance(given, Claim):
            self.put_back(given)

    def put_back(self, claim: Claim) -> None:
        """The run is over. A claim that is given back twice counts once."""
        resident = self._residents.get(claim.sandbox)
        if resident is None or resident.claim is not claim or resident.shelf is None:
            return
        shelf = resident.shelf
        resident.claim = None
        shelf.quota.busy -= 1
        if claim.sandbox.reusable and (shelf.ttl_s or shelf.waiters):
            resident.idle_since = self._clock.monotonic()
            shelf.idle.append(resident)
        else:
            self._end(resident)
        if self._waiting:
            self._pass_on(shelf.quota)

    # What has been done

    def arrived(self, kind: Kind, sandbox: Sandbox, shelf: Shelf | None) -> Resident:
        """A sandbox has started; for a shelf, or for the stock."""
        self._creating -= 1
        resident = self._residents[sandbox] = Resident(sandbox, ESTIMATE_MB)
        if self.closed:
            self._end(resident)
        elif shelf is None:
            self._stock(kind).spares.append(resident)
        else:
            resident.shelf = shelf
            shelf.residents += 1
        self._feed()
        return resident

    def never_arrived(self) -> None:
        """A sandbox could not be started."""
        self._creating -= 1
        self._budget.leave(ESTIMATE_MB)
        self._feed()

    def provided(self, work: Provide, resident: Resident, init_ms: float) -> None:
        """The code is imported: the sandbox goes to the first who waits for it, else it is warm."""
        shelf = self._provision_over(work)
        if not resident.ended:
            self._weigh(resident)
            self._welcome(resident, shelf, init_ms)
        self._settle_all(shelf.quota)
        self.refill()

    def not_provided(self, work: Provide, resident: Resident | None, reason: RunError | Exception) -> None:
        """There is no sandbox after all: the first who waits hears why, the others are provided for anew."""
        shelf = self._provision_over(work)
        if resident is not None:
            self._end(resident)
        answer = self._next_waiter(shelf)
        if answer is not None and isinstance(reason, RunError):
            answer.set_result(reason)
        elif answer is not None and not isinstance(reason, RunError):
            answer.set_exception(reason)
        self._settle_all(shelf.quota)
        self._tidy(shelf)
        self.refill()

    def refilled(self, stock: Stock, *, failed: bool) -> None:
        """An attempt to start a spare is over."""
        stock.starting -= 1
        if failed:
            stock.paused_until = self._clock.monotonic() + PAUSE_S
        self.refill()

    def gone(self, resident: Resident) -> None:
        """A sandbox is dead, and what it occupied is free."""
        self._forget(resident)
        self._feed()
        self.refill()

    # What happens by itself

    def refill(self) -> None:
        """Start spares where they lack, if there is room for them and nobody waits."""
        now = self._clock.monotonic()
        for stock in self._stocks.values():
            while self._short(stock, now) and self._may_create() and self._budget.has_room():
                self._reserve()
                stock.starting += 1
                self._plan.append(Refill(stock))

    def tick(self) -> None:
        """End what has idled too long, died, or grown over the budget; to be called about once a second."""
        now = self._clock.monotonic()
        for shelf in list(self._shelves.values()):
            stale = [r for r in shelf.idle if now - r.idle_since >= shelf.ttl_s or not r.sandbox.reusable]
            self._end_all(stale, shelf.idle)
        for stock in self._stocks.values():
            dead = [r for r in stock.spares if not self._in_use(stock, now) or not r.sandbox.reusable]
            self._end_all(dead, stock.spares)
        self._weigh_some()
        self._shrink()
        self._feed()
        self.refill()

    def close(self) -> None:
        """End everything, busy or not, and answer everybody. Whatever arrives later is ended as well."""
        self.closed = True
        for shelf in list(self._shelves.values()):
            while (answer := self._next_waiter(shelf)) is not None:
                answer.set_exception(_closing())
            shelf.idle.clear()
        for stock in self._stocks.values():
            stock.spares.clear()
        for resident in self._residents.values():
            self._end(resident)

    # Bringing it to rest

    def _settle_all(self, quota: Quota) -> None:
        for shelf in list(quota.shelves):
            self._settle(shelf)

    def _settle(self, shelf: Shelf) -> None:
        """Give what is there to who waits, and let the shelf queue for the rest."""
        self._serve(shelf)
        if shelf.lacks and shelf.hungry_since is None:
            self._queue(shelf)
        self._feed()

    def _pass_on(self, quota: Quota) -> None:
        """A sandbox has come back while somebody waits: for this function, unless another has waited for too long."""
        now = self._clock.monotonic()
        if self._hungry and now - (self._hungry[0].hungry_since or now) >= PATIENCE_S:
            self._feed()
        self._settle_all(quota)

    def _serve(self, shelf: Shelf) -> None:
        while shelf.waiters and not shelf.quota.full:
            resident = self._pop_warm(shelf)
            if resident is None:
                return
            answer = self._next_waiter(shelf)
            if answer is None:
                shelf.idle.append(resident)
                return
            answer.set_result(self._claim(resident, shelf.quota))

    def _feed(self) -> None:
        """Provide for hungry shelves, one sandbox each in turn, until there is no room."""
        while self._hungry and not self.closed:
            shelf = self._hungry[0]
            self._serve(shelf)
            if shelf.lacks and not self._provide(shelf):
                return
            self._hungry.popleft()
            shelf.hungry_since = None
            if shelf.lacks:
                self._queue(shelf)

    def _queue(self, shelf: Shelf) -> None:
        shelf.hungry_since = self._clock.monotonic()
        self._hungry.append(shelf)

    def _provide(self, shelf: Shelf) -> bool:
        """Decide where the shelf's next sandbox comes from; False where nothing can be had now."""
        spare = self._pop_spare(self._stock(shelf.kind))
        victims: list[Resident] | None = []
        if spare is None:
            victims = self._make_room() if self._creating < self._starting_at_once else None
            if victims is None:
                return False
            self._reserve()
        else:
            spare.shelf = shelf
            shelf.residents += 1
        shelf.providing += 1
        shelf.quota.providing += 1
        self._plan.append(Provide(shelf, spare, victims))
        return True

    # Room

    def _reserve(self) -> None:
        self._creating += 1
        self._budget.enter(ESTIMATE_MB)

    def _may_create(self) -> bool:
        return not self.closed and not self._hungry and self._creating < self._starting_at_once

    def _make_room(self) -> list[Resident] | None:
        """Whom to end so that one more may start: nobody, if it may anyway; None, if all together are not enough."""
        if self._budget.has_room():
            return []
        victims: list[Resident] = []
        mb = 0.0
        for resident in self._evictable():
            victims.append(resident)
            mb += resident.mb
            if self._budget.has_room(without=len(victims), without_mb=mb):
                break
        else:
            return None
        for resident in victims:
            self._evict(resident)
            # It does not count any more: its successor waits until it is gone.
            self._forget(resident)
        return victims

    def _evictable(self) -> list[Resident]:
        """Whom to end for room, first first: versions that have a successor, then the longest idle, spares last."""
        warm = [(not shelf.outdated, r.idle_since, r) for shelf in self._shelves.values() for r in shelf.idle]
        warm.sort(key=lambda item: item[:2])
        return [r for _, _, r in warm] + [r for stock in self._stocks.values() for r in stock.spares]

    def _evict(self, resident: Resident) -> None:
        """Take an idle sandbox off its shelf, its end being somebody else's."""
        resident.ended = True
        if resident.shelf is None:
            next(stock for stock in self._stocks.values() if resident in stock.spares).spares.remove(resident)
            return
        resident.shelf.idle.remove(resident)
        resident.shelf.residents -= 1
        self._tidy(resident.shelf)

    def _shrink(self) -> None:
        excess = self._budget.excess_mb
        for resident in self._evictable():
            if excess <= 0:
                return
            excess -= resident.mb
            self._evict(resident)
            self._plan.append(End(resident))

    def _weigh_some(self) -> None:
        """Measure a few, others at each tick, so that it never takes long."""
        residents = list(self._residents.values())
        if self._weighed >= len(residents):
            self._weighed = 0
        for resident in residents[self._weighed : self._weighed + WEIGHED_PER_TICK]:
            self._weigh(resident)
        self._weighed += WEIGHED_PER_TICK

    def _weigh(self, resident: Resident) -> None:
        mb = resident.sandbox.memory_mb or ESTIMATE_MB
        self._budget.change(mb - resident.mb)
        resident.mb = mb

    # One sandbox

    def _welcome(self, resident: Resident, shelf: Shelf, init_ms: float) -> None:
        """Place a sandbox that has just been loaded."""
        if not resident.sandbox.reusable:
            self._end(resident)
            return
        answer = None if shelf.quota.full else self._next_waiter(shelf)
        if answer is not None:
            answer.set_result(self._claim(resident, shelf.quota, cold=True, init_ms=init_ms))
            return
        resident.idle_since = self._clock.monotonic()
        shelf.idle.append(resident)

    def _claim(self, resident: Resident, quota: Quota, *, cold: bool = False, init_ms: float = 0.0) -> Claim:
        claim = resident.claim = Claim(sandbox=resident.sandbox, cold=cold, init_ms=init_ms)
        quota.busy += 1
        return claim

    def _pop_warm(self, shelf: Shelf) -> Resident | None:
        while shelf.idle:
            resident = shelf.idle.pop()
            if resident.sandbox.reusable:
                return resident
            self._end(resident)
        return None

    def _pop_spare(self, stock: Stock) -> Resident | None:
        while stock.spares:
            resident = stock.spares.pop()
            if resident.sandbox.reusable:
                return resident
            self._end(resident)
        return None

    def _end_all(self, residents: list[Resident], among: deque[Resident]) -> None:
        for resident in residents:
            among.remove(resident)
            self._end(resident)

    def _end(self, resident: Resident) -> None:
        """Decide its end; it is on no shelf and in no stock any more."""
        if resident.ended:
            return
        resident.ended = True
        if resident.claim is not None and resident.shelf is not None:
            resident.claim = None
            resident.shelf.quota.busy -= 1
        if resident.shelf is not None:
            resident.shelf.residents -= 1
            self._tidy(resident.shelf)
        self._plan.append(End(resident))

    def _forget(self, resident: Resident) -> None:
        del self._residents[resident.sandbox]
        self._budget.leave(resident.mb)

    # Shelves and stocks

    def _shelf(self, function: Function) -> Shelf:
        key = (function.function_id, function.version)
        shelf = self._shelves.get(key)
        if shelf is None:
            quota = self._quotas.setdefault(function.function_id, Quota())
            if function.version > quota.newest:
                quota.newest, quota.limit = function.version, function.concurrency
            shelf = self._shelves[key] = Shelf(function, quota, function.idle_ttl_ms / 1000)
            quota.shelves.append(shelf)
        return shelf

    def _tidy(self, shelf: Shelf) -> None:
        """Forget a version of which nothing is left."""
        if not shelf.empty or shelf not in shelf.quota.shelves:
            return
        shelf.quota.shelves.remove(shelf)
        del self._shelves[shelf.function.function_id, shelf.function.version]
        if not shelf.quota.shelves:
            del self._quotas[shelf.function.function_id]

    def _stock(self, kind: Kind) -> Stock:
        stock = self._stocks.get(kind)
        if stock is None:
            stock = self._stocks[kind] = Stock(kind)
        return stock

    def _in_use(self, stock: Stock, now: float) -> bool:
        return stock.always or now - stock.called_for_at < LATELY_S

    def _short(self, stock: Stock, now: float) -> bool:
        has = len(stock.spares) + stock.starting
        return has < self._spares and now >= stock.paused_until and self._in_use(stock, now)

    def _next_waiter(self, shelf: Shelf) -> Answer | None:
        """Whom to answer next; whoever has been cancelled and has not withdrawn yet is passed over."""
        while shelf.waiters:
            self._waiting -= 1
            answer = shelf.waiters.popleft()
            if not answer.done():
                return answer
        return None

    def _provision_over(self, work: Provide) -> Shelf:
        work.shelf.providing -= 1
        work.shelf.quota.providing -= 1
        return work.shelf


def _closing() -> SandboxUnavailable:
    return SandboxUnavailable("this worker is stopping; its pool starts no further sandbox.")
