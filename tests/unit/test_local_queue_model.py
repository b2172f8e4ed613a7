"""The local task queue against a model of it: no order of events loses, doubles or revives a task."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import ManualClock
from nanogrid.backends.local import open_local
from records import some_task

LEASE_S = 30.0
EVENTS = st.one_of(
    st.tuples(st.just("send"), st.booleans()),
    st.tuples(st.just("receive"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["ack", "extend", "release", "fail", "delay", "bury"]), st.integers(0, 9)),
    st.tuples(st.just("pass_time"), st.sampled_from([10.0, 25.0, 40.0])),
    st.tuples(st.just("restart"), st.none()),
)


class Model:
    """What must be true of the queue, told by dictionaries."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = ManualClock()
        #: Run id -> whether it is durable, of every task that must come back.
        self.tasks = {}
        #: Run id -> the lease that was given, and when it ends.
        self.held = {}
        self.attempts = Counter()

    async def play(self, events):
        rest = list(events)
        while rest:
            async with self.open() as backend:
                while rest and (event := rest.pop(0))[0] != "restart":
                    await getattr(self, event[0])(backend, event[1])
            self.tasks = {run_id: durable for run_id, durable in self.tasks.items() if durable}
            self.held = {}
        async with self.open() as backend:
            left = await backend.task_queue.receive(limit=1_000, wait_s=0)

        assert {lease.task.run_id for lease in left} == set(self.tasks)

    def open(self):
        return open_local(self.folder, self.clock, lease_s=LEASE_S)

    async def send(self, backend, durable):
        task = some_task()
        await backend.task_queue.send(task, durable=durable)
        self.tasks[task.run_id] = durable

    async def receive(self, backend, limit):
        for lease in await backend.task_queue.receive(limit=limit, wait_s=0):
            run_id = lease.task.run_id
            assert run_id in self.tasks, "a task came back that was done"
            assert run_id not in self.holders(), "two hold one task"
            assert lease.attempt > self.attempts[run_id], "attempts do not grow"
            self.attempts[run_id] = lease.attempt
            self.held[run_id] = (lease, self.clock.monotonic() + LEASE_S)

    def holders(self):
        return [run_id for run_id, (_, end) in self.held.items() if end > self.clock.monotonic()]

    def some_lease(self, number):
        holders = self.holders()
        return self.held.pop(holders[number % len(holders)])[0] if holders else None

    async def ack(self, backend, number):
        if lease := self.some_lease(number):
            await backend.task_queue.ack(lease)
            del self.tasks[lease.task.run_id]

    async def bury(self, backend, number):
        """Bury and redrive: the task is durable from then on."""
        if lease := self.some_lease(number):
            await backend.dead_letters.bury(lease, "broken")
            await backend.dead_letters.redrive(lease.task.run_id)
            self.tasks[lease.task.run_id] = True

    async def extend(self, backend, number):
        if lease := self.some_lease(number):
            await backend.task_queue.extend(lease)
            self.held[lease.task.run_id] = (lease, self.clock.monotonic() + LEASE_S)

    async def release(self, backend, number):
        if lease := self.some_lease(number):
            await backend.task_queue.release(lease, failed=False)

    async def fail(self, backend, number):
        if lease := self.some_lease(number):
            await backend.task_queue.release(lease, failed=True)

    async def delay(self, backend, number):
        if lease := self.some_lease(number):
            await backend.task_queue.release(lease, failed=False, delay_s=20.0)

    async def pass_time(self, backend, seconds):
        await self.clock.advance(seconds)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=40))
def test_no_order_of_events_loses_doubles_or_revives_a_task(events):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(Model(Path(folder) / "data").play(events))
