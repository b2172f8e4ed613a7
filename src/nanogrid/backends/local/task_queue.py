"""The task queue in memory; durable tasks are journaled.

A task is on the lanes (ready), in the heap (delayed), leased, or on its way to the journal; `_entries` has them all.
The way of a task that is not durable, from `send` to a waiting `receive`, is plain calls in one thread.
"""

import asyncio
import heapq
import itertools
import math
import secrets
from collections import Counter, OrderedDict
from functools import partial

from nanogrid.backends.lanes import Lanes, QueuedTask
from nanogrid.backends.local.alarm import Alarm
from nanogrid.backends.local.task_journal import TaskJournal
from nanogrid.clock import Clock
from nanogrid.errors import BacklogFull, LeaseLost
from nanogrid.model import Depth, Lease, Place, Standing, Task
from nanogrid.ports import TaskQueue


class LocalTaskQueue(TaskQueue):
    """Exact where the port is lenient: a run is on the queue once, limits hold, returns without failure don't count.

    What a crash leaves leased is ready at once when the journal is read again, and so is what was delayed.
    """

    def __init__(
        self, journal: TaskJournal, clock: Clock, *, lease_s: float, max_backlog: int, max_backlog_bytes: int
    ) -> None:
        """Hold leases for `lease_s` seconds; let so many tasks wait, with so many bytes of input in all."""
        self._journal = journal
        self._clock = clock
        self._lease_s = lease_s
        self._max_backlog = max_backlog
        self._max_backlog_bytes = max_backlog_bytes
        self._entries: dict[str, QueuedTask] = {}
        self._bytes = 0
        #: How many are there of each tenant whose backlog has a limit.
        self._of_tenant: Counter[str] = Counter()
        self._lanes = Lanes()
        #: When each is due, in monotonic seconds; the number keeps the order of equal ones.
        self._delayed: list[tuple[float, int, QueuedTask]] = []
        #: By receipt, in order of expiry: each lasts equally long, and an extended one goes to the end.
        self._leases: OrderedDict[str, QueuedTask] = OrderedDict()
        #: Who waits in `receive`, and until when.
        self._waiters: dict[asyncio.Future[None], float] = {}
        self._alarm = Alarm(clock, self._ring)
        self._numbers = itertools.count(1)
        # A receipt of an earlier process must never fit.
        self._receipt_prefix = secrets.token_hex(4)

    @property
    def lease_s(self) -> float:
        """See the port."""
        return self._lease_s

    async def load(self) -> None:
        """Take up the tasks of the journal."""
        for entry in await self._journal.tasks():
            self._enter(entry)
            self._place(entry)

    def holds(self, run_id: str) -> bool:
        """Whether the run's task waits or is leased."""
        return run_id in self._entries

    def close(self) -> None:
        """Let no lease run out any more."""
        self._alarm.stop()

    async def send(self, task: Task, *, durable: bool, delay_s: float = 0.0) -> None:
        """See the port. Idempotent: a run that is on the queue already is not put there twice."""
        if task.run_id in self._entries:
            return
        self.check_room(task)
        if durable:
            await self.record(task, delay_s)
            return
        entry = QueuedTask(task, durable=False)
        self._enter(entry)
        self._place(entry, delay_s)

    def record(self, task: Task, delay_s: float = 0.0) -> asyncio.Future[None]:
        """Send a new durable task for which there is room. The future is done when the task can be received.

        It is sent even where the future is cancelled.
        """
        entry = QueuedTask(task, durable=True)
        self._enter(entry)
        return self._journal.add(entry, partial(self._journaled, entry, delay_s))

    async def receive(self, *, limit: int, wait_s: float) -> list[Lease]:
        """See the port."""
        leases = self._take(limit)
        if leases or wait_s <= 0:
            return leases
        deadline = self._clock.monotonic() + wait_s
        while not leases and self._clock.monotonic() < deadline:
            await self._news(deadline)
            leases = self._take(limit)
        return leases

    async def extend(self, lease: Lease) -> None:
        """See the port."""
        entry = self._held(lease)
        entry.expires = self._clock.monotonic() + self._lease_s
        self._leases.move_to_end(entry.receipt)

    async def ack(self, lease: Lease) -> None:
        """See the port. For a durable task the journal hears of it soon after."""
        entry = self.detach(lease)
        if entry.durable:
            self._journal.remove(entry.task.run_id)

    async def release(self, lease: Lease, *, delay_s: float = 0.0, failed: bool) -> None:
        """See the port. The task goes behind its function's others; its delay ends with the process."""
        self._give_back(self._held(lease), delay_s, failed=failed)

    async def depth(self) -> Depth:
        """See the port."""
        self._give_back_expired(self._clock.monotonic())
        return Depth(visible=len(self._entries) - len(self._leases), in_flight=len(self._leases))

    async def standing(self, run_id: str) -> Standing | None:
        """See the port. A task that is on its way to the journal stands nowhere yet."""
        now = self._clock.monotonic()
        self._give_back_expired(now)
        self._place_due(now)
        entry = self._entries.get(run_id)
        if entry is None:
            return None
        leased = self._leases.values()
        standing = partial(
            Standing,
            function_leased=sum(one.task.function_id == entry.task.function_id for one in leased),
            tenant_leased=sum(one.task.tenant == entry.task.tenant for one in leased),
        )
        if entry.receipt:
            return standing(place=Place.LEASED)
        due = next((due for due, _, delayed in self._delayed if delayed is entry), None)
        if due is not None:
            return standing(place=Place.DELAYED, due_in_s=due - now)
        ahead = self._lanes.ahead_of(entry)
        return None if ahead is None else standing(place=Place.READY, ahead=ahead)

    def detach(self, lease: Lease) -> QueuedTask:
        """Take a leased task off the queue. Raises `LeaseLost`."""
        entry = self._held(lease)
        del self._leases[entry.receipt]
        self._leave(entry)
        self._lanes.let_go(entry)
        self._wake()
        return entry

    def reattach(self, entry: QueuedTask) -> None:
        """Undo `detach`: the same lease holds the task, for its full time."""
        self._enter(entry)
        self._lanes.hold(entry)
        self._hold(entry, self._clock.monotonic())
        if entry.durable:
            self._journal.restore(entry)

    def admit(self, entry: QueuedTask) -> None:
        """Put a task on the queue that is journaled already, whatever the backlog."""
        if entry.task.run_id not in self._entries:
            self._enter(entry)
            self._place(entry)

    def check_room(self, task: Task) -> None:
        """Raise `BacklogFull` where there is no room for one more."""
        self._check_tenant(task)
        size = len(memoryview(task.input))
        if len(self._entries) - len(self._leases) < self._max_backlog and self._bytes + size <= self._max_backlog_bytes:
            return
        raise BacklogFull(
            f"the task queue is full: {len(self._entries)} tasks with {self._bytes} bytes of input.",
            hint="Try again in a moment.",
        )

    def _check_tenant(self, task: Task) -> None:
        if task.tenant_backlog and self._of_tenant[task.tenant] >= task.tenant_backlog:
            raise BacklogFull(
                f"the tenant {task.tenant!r} has {task.tenant_backlog} runs that have not ended, and may have no more.",
                hint="Wait for some to end, or ask the grid's owner for more.",
            )

    def _enter(self, entry: QueuedTask) -> None:
        self._entries[entry.task.run_id] = entry
        self._bytes += len(memoryview(entry.task.input))
        if entry.task.tenant_backlog:
            self._of_tenant[entry.task.tenant] += 1

    def _leave(self, entry: QueuedTask) -> None:
        del self._entries[entry.task.run_id]
        self._bytes -= len(memoryview(entry.task.input))
        if entry.task.tenant_backlog:
            self._of_tenant[entry.task.tenant] -= 1

    def _journaled(self, entry: QueuedTask, delay_s: float, error: BaseException | None) -> None:
        if error is None:
            self._place(entry, delay_s)
        else:
            self._leave(entry)

    def _place(self, entry: QueuedTask, delay_s: float = 0.0) -> None:
        if delay_s <= 0:
            self._lanes.put(entry)
            self._wake()
            return
        due = self._clock.monotonic() + delay_s
        heapq.heappush(self._delayed, (due, next(self._numbers), entry))
        self._alarm.set(due)

    def _take(self, limit: int) -> list[Lease]:
        now = self._clock.monotonic()
        self._give_back_expired(now)
        self._place_due(now)
        leases: list[Lease] = []
        while len(leases) < limit and (entry := self._lanes.take()) is not None:
            entry.attempt += 1
            entry.receipt = f"{self._receipt_prefix}-{next(self._numbers)}"
            self._hold(entry, now)
            if entry.durable:
                self._journal.note_lease(entry)
            leases.append(Lease(task=entry.task, receipt=entry.receipt, attempt=entry.attempt, failures=entry.failures))
        return leases

    def _hold(self, entry: QueuedTask, now: float) -> None:
        entry.expires = now + self._lease_s
        self._leases[entry.receipt] = entry
        self._alarm.set(entry.expires)

    def _held(self, lease: Lease) -> QueuedTask:
        entry = self._leases.get(lease.receipt)
        if entry is None:
            raise LeaseLost(
                f"attempt {lease.attempt} of the run {lease.task.run_id} no longer holds its task.",
                hint="Its lease ran out, or the task is done.",
            )
        return entry

    def _give_back(self, entry: QueuedTask, delay_s: float, *, failed: bool) -> None:
        del self._leases[entry.receipt]
        entry.receipt = ""
        entry.failures += failed
        if entry.durable:
            self._journal.note_return(entry)
        self._lanes.let_go(entry)
        self._place(entry, delay_s)
        self._wake()

    def _give_back_expired(self, now: float) -> None:
        while self._leases:
            entry = next(iter(self._leases.values()))
            if entry.expires > now:
                return
            self._give_back(entry, 0.0, failed=True)

    def _place_due(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            self._place(heapq.heappop(self._delayed)[2])

    async def _news(self, deadline: float) -> None:
        """Return when there may be a task, or at the deadline."""
        news = asyncio.get_running_loop().create_future()
        self._waiters[news] = deadline
        self._alarm.set(deadline)
        try:
            await news
        except asyncio.CancelledError:
            if news.done() and not news.cancelled():
                self._wake()  # the news was for whoever waits; this one will not take the task
            raise
        finally:
            self._waiters.pop(news, None)

    def _wake(self) -> None:
        if not self._lanes.ready:
            return
        for news in self._waiters:
            if not news.done():
                news.set_result(None)
                return

    def _ring(self) -> float:
        """Do what is due by the clock; when to be called again."""
        now = self._clock.monotonic()
        self._give_back_expired(now)
        self._place_due(now)
        for news, deadline in self._waiters.items():
            if deadline <= now and not news.done():
                news.set_result(None)
        first_lease = next(iter(self._leases.values())).expires if self._leases else math.inf
        first_due = self._delayed[0][0] if self._delayed else math.inf
        deadlines = (deadline for news, deadline in self._waiters.items() if not news.done())
        return min(first_lease, first_due, min(deadlines, default=math.inf))
