"""The pool's decisions: whose sandbox is whose, what to start and what to end.

Nothing here does I/O or waits, so each decision is taken on a consistent picture. A decision answers waiting callers at
once; what else is to be done is handed out by `plan`, and reported back when it is done.

After every change the picture is brought to rest again: nobody waits for what is there, and nobody who could be
provided for is left without. A shelf that lacks a sandbox queues among the hungry; they take turns, one sandbox each.
"""

from collections import deque
from collections.abc import Iterable

from nanogrid.clock import Clock
from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Function, RunError
from nanogrid.ports import Claim, Sandbox
from nanogrid.sandbox.budget import Budget
from nanogrid.sandbox.ledger import Ledger
from nanogrid.sandbox.shelves import Answer, Provide, Quota, Refill, Resident, Shelf, Step, Stock, key_of

#: How long a function whose callers wait may keep a sandbox that comes back, while another function waits for room, in
#: seconds. Each change of hands costs a cold start; without any, a busy function would keep its sandboxes for ever.
PATIENCE_S = 0.25
#: How long a kind of spare is kept after somebody has called for it, in seconds.
LATELY_S = 600.0
#: How long no spare of a kind is started after one could not be, in seconds.
PAUSE_S = 10.0


class Inventory:
    """Who gets which sandbox."""

    def __init__(
        self, clock: Clock, budget: Budget, *, spares: int, runtimes: Iterable[str], starting_at_once: int
    ) -> None:
        """Keeps `spares` or more for each of the runtimes, and of every kind that was called for lately."""
        self._clock = clock
        self._ledger = Ledger(clock, budget, runtimes=runtimes)
        self._spares = spares
        self._starting_at_once = starting_at_once
        # Shelves that lack sandboxes, in the order of their turns; some may have been satisfied meanwhile.
        self._hungry: deque[Shelf] = deque()
        # Callers on all shelves: where nobody waits, what comes back needs no thought.
        self._waiting = 0
        self._closed = False

    def plan(self) -> list[Step]:
        """What is to be done now; each step is given out once."""
        steps = self._ledger.steps
        if steps:
            self._ledger.steps = []
        return steps

    def census(self) -> dict[str, int]:
        """How many sandboxes there are, by state."""
        return self._ledger.census()

    def keeps(self, function_id: str) -> bool:
        """Whether some version of the function is in a sandbox."""
        quota = self._ledger.quotas.get(function_id)
        return quota is not None and any(shelf.residents for shelf in quota.shelves)

    # What callers ask for

    def take(self, function: Function) -> Claim | None:
        """A warm sandbox, if there is one and the function may run once more."""
        shelf = self._ledger.shelves.get(key_of(function))
        if shelf is None or shelf.quota.full:
            return None
        resident = self._ledger.pop_alive(shelf.idle)
        return None if resident is None else self._ledger.claim(resident, shelf.quota)

    def wait(self, function: Function, answer: Answer) -> None:
        """Answer as soon as there is a sandbox. Raises `SandboxUnavailable` once the pool is closed."""
        if self._closed:
            raise _closing()
        shelf = self._ledger.open_shelf(function)
        shelf.waiters.append(answer)
        self._waiting += 1
        self._ledger.open_stock(shelf.kind).called_for_at = self._clock.monotonic()
        self._settle(shelf)

    def withdraw(self, function: Function, answer: Answer) -> None:
        """The caller has gone; what it was given in the last moment is taken back."""
        shelf = self._ledger.shelves.get(key_of(function))
        if shelf is not None and answer in shelf.waiters:
            shelf.waiters.remove(answer)
            self._waiting -= 1
            self._ledger.tidy(shelf)
        if answer.cancelled() or not answer.done() or answer.exception() is not None:
            return
        given = answer.result()
        if isinstance(given, Claim):
            self.put_back(given)

    def put_back(self, claim: Claim) -> None:
        """The run is over. A claim that is given back twice counts once."""
        resident = self._ledger.residents.get(claim.sandbox)
        if resident is None or resident.claim is not claim or resident.shelf is None:
            return
        shelf = resident.shelf
        resident.claim = None
        shelf.quota.busy -= 1
        if claim.sandbox.reusable and (shelf.ttl_s or shelf.waiters):
            self._ledger.shelve(resident, shelf)
        else:
            self._ledger.end(resident)
        if self._waiting:
            self._pass_on(shelf.quota)
        elif claim.cold:
            # Only now, so that starting the next spare takes no time from the run that has used up the last.
            self.refill()

    # What has been done

    def arrived(self, sandbox: Sandbox, goal: Shelf | Stock) -> Resident:
        """A sandbox has started. Once the pool is closed it is ended at once: see `Resident.ended`."""
        resident = self._ledger.enter(sandbox)
        if self._closed:
            self._ledger.end(resident)
        elif isinstance(goal, Stock):
            goal.spares.append(resident)
        else:
            self._ledger.assign(resident, goal)
        self._feed()
        return resident

    def never_arrived(self) -> None:
        """A sandbox could not be started."""
        self._ledger.cancel_reservation()
        self._feed()

    def provided(self, work: Provide, resident: Resident, init_ms: float) -> None:
        """The code is imported: the sandbox goes to the first who waits for it, else it is warm."""
        shelf = self._provision_over(work)
        if not resident.ended:
            self._ledger.weigh(resident)
            answer = None if shelf.quota.full else self._next_waiter(shelf)
            if answer is None:
                self._ledger.shelve(resident, shelf)
            else:
                answer.set_result(self._ledger.claim(resident, shelf.quota, cold=True, init_ms=init_ms))
        self._settle_all(shelf.quota)
        self._ledger.tidy(shelf)

    def not_provided(self, work: Provide, resident: Resident | None, reason: RunError | Exception) -> None:
        """There is no sandbox after all: the first who waits hears why, the others are provided for anew."""
        shelf = self._provision_over(work)
        if resident is not None:
            self._ledger.end(resident)
        answer = self._next_waiter(shelf)
        if answer is not None:
            _refuse(answer, reason)
        self._settle_all(shelf.quota)
        self._ledger.tidy(shelf)

    def refilled(self, stock: Stock, *, failed: bool) -> None:
        """An attempt to start a spare is over."""
        stock.starting -= 1
        if failed:
            stock.paused_until = self._clock.monotonic() + PAUSE_S
        self.refill()

    def gone(self, resident: Resident) -> None:
        """A sandbox is dead, and what it occupied is free."""
        self._ledger.forget(resident)
        self._feed()

    # What happens by itself

    def refill(self) -> None:
        """Start spares where they lack, if there is room for them and nobody waits for a sandbox."""
        now = self._clock.monotonic()
        for stock in self._ledger.stocks.values():
            while self._short(stock, now) and self._may_refill():
                self._ledger.reserve()
                stock.starting += 1
                self._ledger.steps.append(Refill(stock))

    def tick(self) -> None:
        """End what has idled too long, died, or grown over the budget; to be called about once a second."""
        ledger, now = self._ledger, self._clock.monotonic()
        for shelf in list(ledger.shelves.values()):
            stale = [r for r in shelf.idle if now - r.idle_since >= shelf.ttl_s or not r.sandbox.reusable]
            ledger.remove(shelf.idle, stale)
        for stock in ledger.stocks.values():
            stock.demand.fade()
            useless = [r for r in stock.spares if not _wanted(stock, now) or not r.sandbox.reusable]
            ledger.remove(stock.spares, useless)
            # One at a time: the next burst may come before the last has faded.
            if len(stock.spares) > stock.demand.spares(self._spares):
                ledger.remove(stock.spares, [stock.spares[0]])
        ledger.weigh_some()
        ledger.shrink()
        self._feed()
        self.refill()

    def close(self) -> None:
        """End everything, busy or not, and answer everybody. Whatever arrives later is ended as well."""
        self._closed = True
        for shelf in self._ledger.shelves.values():
            while (answer := self._next_waiter(shelf)) is not None:
                _refuse(answer, _closing())
            shelf.idle.clear()
        for stock in self._ledger.stocks.values():
            stock.spares.clear()
        for resident in self._ledger.residents.values():
            self._ledger.end(resident)

    # Bringing it to rest

    def _settle_all(self, quota: Quota) -> None:
        for shelf in list(quota.shelves):
            self._settle(shelf)

    def _settle(self, shelf: Shelf) -> None:
        """Give what is there to who waits, and let the shelf queue for what it lacks."""
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
            resident = self._ledger.pop_alive(shelf.idle)
            if resident is None:
                return
            answer = self._next_waiter(shelf)
            if answer is None:
                shelf.idle.append(resident)
                return
            answer.set_result(self._ledger.claim(resident, shelf.quota))

    def _feed(self) -> None:
        """Provide for hungry shelves, one sandbox each in turn, for as long as there is room."""
        while self._hungry and not self._closed:
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
        """Decide where the shelf's next sandbox comes from; False where none can be had now."""
        spare = self._ledger.pop_alive(self._ledger.open_stock(shelf.kind).spares)
        if spare is not None:
            self._ledger.assign(spare, shelf)
            self._begin_provision(Provide(shelf, spare, []))
            return True
        victims = self._ledger.make_room() if self._ledger.creating < self._starting_at_once else None
        if victims is None:
            return False
        self._ledger.reserve()
        self._begin_provision(Provide(shelf, None, victims))
        return True

    def _begin_provision(self, work: Provide) -> None:
        self._ledger.open_stock(work.shelf.kind).demand.note(self._clock.monotonic())
        work.shelf.providing += 1
        work.shelf.quota.providing += 1
        self._ledger.steps.append(work)

    def _provision_over(self, work: Provide) -> Shelf:
        work.shelf.providing -= 1
        work.shelf.quota.providing -= 1
        return work.shelf

    def _next_waiter(self, shelf: Shelf) -> Answer | None:
        """Whom to answer next; whoever has been cancelled and has not withdrawn yet is passed over."""
        while shelf.waiters:
            self._waiting -= 1
            answer = shelf.waiters.popleft()
            if not answer.done():
                return answer
        return None

    def _may_refill(self) -> bool:
        ledger = self._ledger
        idle = not self._closed and not self._hungry
        return idle and ledger.creating < self._starting_at_once and ledger.budget.has_room()

    def _short(self, stock: Stock, now: float) -> bool:
        has = len(stock.spares) + stock.starting
        return has < stock.demand.spares(self._spares) and now >= stock.paused_until and _wanted(stock, now)


def _wanted(stock: Stock, now: float) -> bool:
    return stock.always or now - stock.called_for_at < LATELY_S


def _refuse(answer: Answer, reason: RunError | Exception) -> None:
    if isinstance(reason, RunError):
        answer.set_result(reason)
    else:
        answer.set_exception(reason)


def _closing() -> SandboxUnavailable:
    return SandboxUnavailable("this worker is stopping; its pool starts no further sandbox.")
