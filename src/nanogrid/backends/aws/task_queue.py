"""The task queue on SQS.

SQS knows messages and receipts; who may run how much, and who holds what, is known here. A lease is held by this
process alone: a receipt that it did not give out, or whose time is over by its own clock, is refused without asking
SQS, which would let a stale one through.
"""

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice

from nanogrid.backends.aws.backlog import Backlog
from nanogrid.backends.aws.envelope import Envelopes
from nanogrid.backends.aws.fares import Fares
from nanogrid.backends.aws.intake import Fetched, Intake
from nanogrid.backends.aws.slots import Slots
from nanogrid.backends.aws.sqs import LONGEST_DELAY_S, Queue
from nanogrid.backends.aws.turns import Turns
from nanogrid.backends.lanes import QueuedTask
from nanogrid.clock import Clock
from nanogrid.errors import LeaseLost, PlatformError
from nanogrid.model import Depth, Lease, Standing, Task
from nanogrid.ports import TaskQueue

_MOST_AT_ONCE = 10
_PARALLEL_FETCHES = 8
#: Tasks that wait here for their function's limit; more go back to the queue for a while.
_PARKED = 100
_PARKED_PAUSE_S = 5.0
_LAST_PARKED_PAUSE_S = 900.0
_DOUBLINGS = 8
#: How long what waits for a slot waits until the next look whether another worker gave one back, in seconds.
_ASK_AGAIN_S = 0.25
#: How long a `receive` waits for what an abandoned one may just be getting, in seconds.
_ABANDONED_S = 5.0
#: A lease ends here before it ends at SQS: its share of the whole, and how many seconds at most.
_MARGIN = 0.1
_MOST_MARGIN_S = 1.0


class AwsTaskQueue(TaskQueue):
    """Fair among functions as SQS' fair queues are; limits hold over all workers, see `Turns`.

    What is fetched and may not run yet is kept here, its message held by `keep`.
    """

    def __init__(
        self,
        queue: Queue,
        intake: Intake,
        envelopes: Envelopes,
        fares: Fares,
        backlog: Backlog,
        slots: Slots,
        clock: Clock,
        lease_s: float,
    ) -> None:
        """`keep` has to run besides; `close` gives back what was not handed out."""
        self._queue = queue
        self._intake = intake
        self._envelopes = envelopes
        self._fares = fares
        self._backlog = backlog
        self._clock = clock
        self._lease_s = lease_s
        self._margin_s = min(_MOST_MARGIN_S, lease_s * _MARGIN)
        self._turns = Turns(slots, clock, self._tell)
        #: By receipt: fetched and not handed out; handed out; and the handles of both.
        self._waiting: dict[str, QueuedTask] = {}
        self._leases: dict[str, QueuedTask] = {}
        self._handles: dict[str, str] = {}
        self._fetches: set[asyncio.Task[bool]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._receivers = 0
        self._received_at = clock.monotonic()
        self._news: asyncio.Future[bool] | None = None
        self._numbers = count(1)
        self._receipt_prefix = secrets.token_hex(8)

    @property
    def lease_s(self) -> float:
        """See the port."""
        return self._lease_s

    async def send(self, task: Task, *, durable: bool, delay_s: float = 0.0) -> None:
        """See the port. Always durable."""
        await self._backlog.admit()
        due = self._clock.now() + timedelta(seconds=delay_s) if delay_s > LONGEST_DELAY_S else None
        await self._queue.send(await self._envelopes.seal(task, due=due), group=task.function_id, delay_s=delay_s)

    async def resend(self, body: str, *, group: str) -> None:
        """Put a sealed task on the queue, whatever the backlog."""
        await self._queue.send(body, group=group)

    async def receive(self, *, limit: int, wait_s: float) -> list[Lease]:
        """See the port."""
        deadline = self._clock.monotonic() + wait_s
        abandoned = bool(self._fetches) and not self._receivers
        self._receivers += 1
        self._turns.want(limit)
        try:
            while True:
                await self._fill(limit, deadline, abandoned=abandoned)
                # Only here, after the last wait, does anything change hands: a cancelled receive holds nothing.
                leases = self._take(limit)
                if leases or self._clock.monotonic() >= deadline:
                    return leases
        finally:
            self._turns.want(-limit)
            self._receivers -= 1
            self._received_at = self._clock.monotonic()

    async def extend(self, lease: Lease) -> None:
        """See the port. SQS holds a message for twelve hours at most, from when it was received."""
        entry = self._held(lease)
        expires = self._clock.monotonic() + self._lease_s
        try:
            await self._queue.hide(self._handles[entry.receipt], self._lease_s)
        except LeaseLost:
            self._forget(entry)
            raise
        entry.expires = expires

    async def ack(self, lease: Lease) -> None:
        """See the port."""
        await self._queue.delete(self._forget(self._held(lease)))

    async def release(self, lease: Lease, *, delay_s: float = 0.0, failed: bool) -> None:
        """See the port. The delay is in whole seconds, rounded up."""
        entry = self._held(lease)
        if failed:
            # Where it can't be noted it counts as a failure all the same, if the attempt had begun.
            with suppress(PlatformError):
                await self._fares.note_failure(entry.task.run_id, entry.attempt)
        else:
            await self._fares.note_return(entry.task.run_id, entry.attempt)
        await self._queue.hide(self._forget(entry), delay_s)

    async def depth(self) -> Depth:
        """See the port. About: SQS counts approximately."""
        return await self._queue.depth()

    async def standing(self, run_id: str) -> Standing | None:
        """See the port. SQS tells nobody where a message is."""
        return None

    def check(self, lease: Lease) -> None:
        """Raise `LeaseLost` unless the lease is held."""
        self._held(lease)

    async def keep(self) -> None:
        """Hold what waits here, or give it back where nobody has asked for tasks lately. Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._turns.run())
            group.create_task(self._keep_waiting())

    async def _keep_waiting(self) -> None:
        while True:
            await self._clock.sleep(self._lease_s / 3)
            idle = not self._receivers and self._clock.monotonic() - self._received_at > self._lease_s / 3
            act = self._give_back if idle else self._hold
            await asyncio.gather(*(act(entry) for entry in list(self._waiting.values())))

    async def close(self) -> None:
        """Give back what waits here, and see everything off that was asked for."""
        for fetch in self._fetches:
            fetch.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)
        await asyncio.gather(*(self._give_back(entry) for entry in list(self._waiting.values())), *self._chores)
        await self._turns.close()
        await self._queue.flush()

    async def _fill(self, limit: int, deadline: float, *, abandoned: bool) -> None:
        """Return when there may be tasks to take, or when there are none to be had in time."""
        if not self._turns.ready:
            await self._turns.ask()
        if self._turns.ready:
            return
        rest = deadline - self._clock.monotonic()
        full = await (self._fetch_now(limit, abandoned=abandoned) if rest <= 0 else self._fetch_or_news(limit, rest))
        while full and len(self._waiting) < min(limit, self._most_fetched(limit)):
            full = await self._fetch_more(limit - len(self._waiting))

    async def _fetch_now(self, limit: int, *, abandoned: bool) -> bool:
        fetch = self._start_fetch(min(limit, _MOST_AT_ONCE), 0.0)
        full = await asyncio.shield(fetch)
        if abandoned and not self._waiting and self._fetches:
            await asyncio.wait(self._fetches, timeout=_ABANDONED_S, return_when=asyncio.FIRST_COMPLETED)
        return full

    async def _fetch_or_news(self, limit: int, wait_s: float) -> bool:
        if not self._fetches:
            self._start_fetch(min(limit, _MOST_AT_ONCE), wait_s)
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        # SQS may answer late; who waits goes by his own clock.
        over = asyncio.create_task(self._over(min(wait_s, _ASK_AGAIN_S) if self._turns.hopeful else wait_s))
        try:
            awaited: set[asyncio.Future[bool]] = {*self._fetches, self._news, over}
            done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            results = [one.result() for one in done]
            return any(results)
        finally:
            over.cancel()

    async def _over(self, seconds: float) -> bool:
        await self._clock.sleep(seconds)
        return False

    async def _fetch_more(self, count_: int) -> bool:
        fetches = min(_PARALLEL_FETCHES, -(-count_ // _MOST_AT_ONCE))
        started = [self._start_fetch(min(count_, _MOST_AT_ONCE), 0.0) for _ in range(fetches)]
        return any(await asyncio.shield(asyncio.gather(*started)))

    def _start_fetch(self, limit: int, wait_s: float) -> "asyncio.Task[bool]":
        # A task of its own: where its receiver is cancelled it goes on, and what it gets waits here.
        fetch = asyncio.create_task(self._fetch(limit, wait_s))
        self._fetches.add(fetch)
        fetch.add_done_callback(self._fetch_done)
        return fetch

    def _fetch_done(self, fetch: "asyncio.Task[bool]") -> None:
        self._fetches.discard(fetch)
        if not fetch.cancelled():
            fetch.exception()  # looked at, because its receiver may be gone

    async def _fetch(self, limit: int, wait_s: float) -> bool:
        """Fetch up to so many tasks; whether there may be more."""
        fetched = await self._intake.fetch(limit=limit, wait_s=wait_s, lease_s=self._lease_s)
        for one in fetched:
            self._admit(one)
        await self._turns.ask()
        return len(fetched) == limit

    def _admit(self, fetched: Fetched) -> None:
        entry = fetched.entry
        entry.receipt = f"{self._receipt_prefix}-{next(self._numbers)}"
        self._waiting[entry.receipt] = entry
        self._handles[entry.receipt] = fetched.handle
        self._turns.put(entry)

    def _take(self, limit: int) -> list[Lease]:
        now = self._clock.monotonic()
        self._drop_expired(now)
        leases: list[Lease] = []
        while len(leases) < limit and (entry := self._turns.take()) is not None:
            if self._waiting.pop(entry.receipt, None) is None or not self._lasts(entry, now):
                self._handles.pop(entry.receipt, None)
                self._turns.let_go(entry)
                continue
            self._leases[entry.receipt] = entry
            leases.append(Lease(task=entry.task, receipt=entry.receipt, attempt=entry.attempt, failures=entry.failures))
        for entry in list(islice(self._waiting.values(), _PARKED, None)):
            # Longer each time: a long backlog behind a small limit would else be handed out for nothing all the time.
            pause = min(_LAST_PARKED_PAUSE_S, _PARKED_PAUSE_S * 2 ** min(entry.attempt - 1, _DOUBLINGS))
            self._do(self._give_back(entry, delay_s=pause))
        return leases

    def _drop_expired(self, now: float) -> None:
        for entry in [entry for entry in self._leases.values() if not self._lasts(entry, now)]:
            self._forget(entry)

    def _lasts(self, entry: QueuedTask, now: float) -> bool:
        return entry.expires - self._margin_s > now

    def _held(self, lease: Lease) -> QueuedTask:
        entry = self._leases.get(lease.receipt)
        if entry is None or not self._lasts(entry, self._clock.monotonic()):
            raise LeaseLost(
                f"attempt {lease.attempt} of the run {lease.task.run_id} no longer holds its task.",
                hint="Its lease ran out, or the task is done.",
            )
        return entry

    def _forget(self, entry: QueuedTask) -> str:
        """The task is not leased any more; the handle that its message had."""
        if self._leases.pop(entry.receipt, None) is not None:
            self._turns.let_go(entry)
        if self._turns.ready:
            self._tell()
        return self._handles.pop(entry.receipt, "")

    def _tell(self) -> None:
        """There may be something to take: wake who waits for it."""
        if self._news is not None and not self._news.done():
            self._news.set_result(False)

    async def _hold(self, entry: QueuedTask) -> None:
        if entry.receipt not in self._waiting:
            return
        expires = self._clock.monotonic() + self._lease_s
        with suppress(PlatformError):
            await self._queue.hide(self._handles[entry.receipt], self._lease_s)
            entry.expires = expires

    async def _give_back(self, entry: QueuedTask, *, delay_s: float = 0.0) -> None:
        if self._waiting.pop(entry.receipt, None) is None:
            return
        self._turns.drop(entry)
        handle = self._handles.pop(entry.receipt)
        # Where this fails the message comes back by itself, and its attempt had not begun.
        with suppress(PlatformError):
            await self._fares.note_return(entry.task.run_id, entry.attempt)
            await self._queue.hide(handle, delay_s)

    def _do(self, chore: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _most_fetched(self, limit: int) -> int:
        return limit + _PARKED
