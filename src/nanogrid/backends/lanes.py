"""Whose turn it is: ready tasks, one lane for each function, taken round robin.

Neither a function nor a tenant ever has more in flight than its limit.
"""

from collections import deque

from nanogrid.model import Ahead, Task


class QueuedTask:
    """A task on the queue, and how it has fared."""

    __slots__ = ("attempt", "durable", "expires", "failures", "receipt", "taken_up", "task")

    def __init__(
        self, task: Task, *, durable: bool, attempt: int = 0, failures: int = 0, taken_up: bool = False
    ) -> None:
        """`attempt` is how often it was handed out, `failures` how many of those the platform failed at.

        `taken_up` says that an earlier process left it on the queue.
        """
        self.task = task
        self.durable = durable
        self.attempt = attempt
        self.failures = failures
        self.taken_up = taken_up
        #: Of its lease; "" while nobody holds it.
        self.receipt = ""
        #: When the lease ends, in monotonic seconds.
        self.expires = 0.0


class _Share:
    """What a tenant with a limit has in flight, and its lanes that must wait for that to become less."""

    __slots__ = ("held_up", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        #: In the order in which they were held up; a dict, because one lane may come twice.
        self.held_up: dict[_Lane, None] = {}


class _Lane:
    __slots__ = ("in_flight", "in_turn", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[QueuedTask] = deque()
        self.in_flight = 0
        self.in_turn = False

    @property
    def open(self) -> bool:
        """Whether its next task may be taken now, as far as its function goes."""
        if not self.waiting:
            return False
        limit = self.waiting[0].task.concurrency
        return not limit or self.in_flight < limit


class Lanes:
    """The ready tasks. Every method but `ahead_of` takes the same time, however many there are."""

    def __init__(self) -> None:
        """No tasks yet."""
        self._lanes: dict[str, _Lane] = {}
        #: Lanes to take from, in turn; each was open when it was put here.
        self._turns: deque[_Lane] = deque()
        #: Of the tenants that have a limit, and something in flight.
        self._shares: dict[str, _Share] = {}

    @property
    def ready(self) -> bool:
        """Whether `take` may give a task."""
        return bool(self._turns)

    def put(self, entry: QueuedTask) -> None:
        """Add a task behind its function's others."""
        lane = self._lane(entry)
        lane.waiting.append(entry)
        self._line_up(lane)

    def take(self) -> QueuedTask | None:
        """The next task of the next function that may run one more; it is in flight from now on."""
        while self._turns:
            lane = self._turns.popleft()
            lane.in_turn = False
            if not lane.open or self._held_up(lane):
                continue
            entry = lane.waiting.popleft()
            lane.in_flight += 1
            self._charge(entry)
            self._line_up(lane)
            return entry
        return None

    def ahead_of(self, entry: QueuedTask) -> list[Ahead] | None:
        """What is taken before it, by function, if nothing else comes; None where it is not among the ready tasks."""
        mine = self._lanes.get(entry.task.function_id)
        if mine is None or entry not in mine.waiting:
            return None
        rounds = mine.waiting.index(entry)
        found = [_ahead(mine, rounds)]
        earlier = True
        for lane in self._turns:
            earlier = earlier and lane is not mine
            if lane is not mine and lane.open:
                found.append(_ahead(lane, min(len(lane.waiting), rounds + earlier)))
        return [ahead for ahead in found if ahead.tasks]

    def hold(self, entry: QueuedTask) -> None:
        """Count a task as in flight that was not taken just now."""
        self._lane(entry).in_flight += 1
        self._charge(entry)

    def let_go(self, entry: QueuedTask) -> None:
        """A task is not in flight any more: its function may run another."""
        lane = self._lane(entry)
        lane.in_flight -= 1
        self._discharge(entry)
        self._line_up(lane)
        if not lane.waiting and not lane.in_flight:
            del self._lanes[entry.task.function_id]

    def _lane(self, entry: QueuedTask) -> _Lane:
        lane = self._lanes.get(entry.task.function_id)
        if lane is None:
            lane = self._lanes[entry.task.function_id] = _Lane()
        return lane

    def _held_up(self, lane: _Lane) -> bool:
        """Whether its tenant has as much in flight as it may; the lane is lined up when that is less."""
        task = lane.waiting[0].task
        share = self._shares.get(task.tenant) if task.tenant_concurrency else None
        if share is None or share.in_flight < task.tenant_concurrency:
            return False
        share.held_up[lane] = None
        return True

    def _charge(self, entry: QueuedTask) -> None:
        """Count a task that is in flight now; where its tenant has no limit any more, nothing holds up the next."""
        if entry.task.tenant_concurrency:
            self._shares.setdefault(entry.task.tenant, _Share()).in_flight += 1
        elif entry.task.tenant in self._shares:
            self._let_next(entry.task.tenant)

    def _discharge(self, entry: QueuedTask) -> None:
        if entry.task.tenant_concurrency:
            self._shares[entry.task.tenant].in_flight -= 1
            self._let_next(entry.task.tenant)

    def _let_next(self, tenant: str) -> None:
        """Line up the lane of the tenant's that was held up first, if it still has something to run."""
        share = self._shares[tenant]
        while share.held_up:
            lane = next(iter(share.held_up))
            del share.held_up[lane]
            if lane.open:
                self._line_up(lane)
                return
        if not share.in_flight:
            del self._shares[tenant]

    def _line_up(self, lane: _Lane) -> None:
        if not lane.in_turn and lane.open:
            lane.in_turn = True
            self._turns.append(lane)


def _ahead(lane: _Lane, tasks: int) -> Ahead:
    first = lane.waiting[0].task
    return Ahead(function_id=first.function_id, tenant=first.tenant, tasks=tasks)
