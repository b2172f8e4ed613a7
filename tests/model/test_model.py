"""No order of events, crashes among them, makes queue, leases, run store and dead letters differ from the model.

MODEL_STEPS says how many steps to take, 20,000 if it is not set; MODEL_AWS_STEPS how many on AWS, 200.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import Raw, structs

from aws_services import AwsServices, TurnedClock, running_services
from conformance.conftest import LEASE_S, AwsBench, Bench, LocalBench
from model.ledger import AwsLedger, Ledger, ModelRun, ModelTask, Refusal, fits
from nanogrid.errors import DeadLetterNotFound, RunNotFound
from nanogrid.identifiers import new_function_id
from nanogrid.model import Depth, Lease, Outcome, RunStatus, Task
from records import AGAIN, DEAD, FAILED, SOME_TIME, SUCCEEDED, some_run, some_task

T = TypeVar("T")
STEPS = int(os.environ.get("MODEL_STEPS", "20000"))
#: Each of these is a handful of calls of an emulator that takes milliseconds for one.
AWS_STEPS = int(os.environ.get("MODEL_AWS_STEPS", "200"))
STEPS_EACH = 50
EXAMPLES_EACH = 100
FUNCTIONS = [new_function_id() for _ in range(2)]
CANCELLED = Outcome(status=RunStatus.CANCELLED)
LAST_ATTEMPT = 2**31 - 1
DELAY_S = 20.0
#: Events between two crashes, at least: a start of the grid takes as long as many of them.
BETWEEN_CRASHES = 12
#: Memory where there is some to write to: the tests' power cuts are copies, so nothing depends on a disk.
FAST = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


#: Which of the latest, counted from the last.
RECENT = st.integers(0, 4)


def recent(items: Sequence[T], number: int) -> T:
    """One of the latest: an event about something long gone tells little."""
    return items[-1 - number % min(len(items), 5)]


def same_age(task: Task) -> Task:
    """The task but for its age: a redrive makes it young again."""
    return structs.replace(task, enqueued_at=SOME_TIME)


class Grid(RuleBasedStateMachine):
    """Does to a backend what dispatchers, workers and the world do, and to the model the same."""

    taken = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="nanogrid-model-", dir=FAST))
        self.runner = asyncio.Runner()
        self.ledger = Ledger()
        self.stack = AsyncExitStack()
        self.since_crash = 0
        #: In the order they were made; what has ended, or was lost, stays among them.
        self.run_ids: list[str] = []
        self.leases: list[Lease] = []

    @initialize()
    def first_start(self) -> None:
        self.bench: Bench = self.new_bench()
        self.open()

    def new_bench(self) -> Bench:
        return LocalBench(self.folder / "0")

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    # What every event does

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def expect(self, work: Coroutine[Any, Any, T], refusal: Refusal) -> T | None:
        """The result, or None where the work was refused as it had to be."""
        if refusal is None:
            return self.do(work)
        with pytest.raises(refusal):
            self.do(work)
        return None

    # Runs

    @rule(
        durable=st.booleans(),
        sent=st.sampled_from([True, True, True, False]),
        function=st.sampled_from(FUNCTIONS),
        count=st.integers(1, 3),
    )
    def accept(self, durable: bool, sent: bool, function: str, count: int) -> None:
        accepted = [some_run(function_id=function, input=Raw(str(number).encode())) for number in range(count)]
        for run in accepted:
            self.do(self.backend.run_store.accept(run, durable=durable))
            self.ledger.runs[run.run_id] = ModelRun(run, durable)
            self.run_ids.append(run.run_id)
            if sent:
                self.send(run.run_id)

    @rule(act=st.sampled_from(["send", "withdraw", "persist", "cancel", "reopen"]), number=RECENT)
    @precondition(lambda self: self.run_ids)
    def treat_run(self, act: str, number: int) -> None:
        getattr(self, act)(recent(self.run_ids, number))

    def send(self, run_id: str) -> None:
        run = self.ledger.runs.get(run_id)
        if run is None or run.sent:
            return
        run.sent = True
        task = some_task(run.run.function_id, run_id=run_id, input=run.run.input)
        self.do(self.backend.task_queue.send(task, durable=run.durable))
        self.ledger.tasks.setdefault(run_id, ModelTask(task, run.durable))

    def withdraw(self, run_id: str) -> None:
        run = self.ledger.runs.get(run_id)
        if run is None or run.sent or run.ended:
            return
        self.do(self.backend.run_store.withdraw(run_id))
        del self.ledger.runs[run_id]

    def persist(self, run_id: str) -> None:
        run = self.ledger.runs.get(run_id)
        self.expect(self.backend.run_store.persist(run_id), None if run else RunNotFound)
        if run is not None:
            run.durable = True

    def cancel(self, run_id: str) -> None:
        self.end(run_id, LAST_ATTEMPT, CANCELLED)

    def reopen(self, run_id: str) -> None:
        reopened = self.expect(self.backend.run_store.reopen(run_id), self.ledger.may_reopen(run_id))
        if reopened is not None:
            assert reopened.status is RunStatus.QUEUED
            self.ledger.runs[run_id] = ModelRun(reopened, durable=True, sent=True)

    # Attempts

    @rule(limit=st.integers(1, 4))
    def receive(self, limit: int) -> None:
        ready = self.ledger.ready()
        leases = self.do(self.backend.task_queue.receive(limit=limit, wait_s=0))

        assert len(leases) == min(limit, len(ready))
        for lease in leases:
            model = self.ledger.tasks[lease.task.run_id]
            assert lease.task.run_id in ready
            assert same_age(lease.task) == same_age(model.task)
            assert lease.failures == self.ledger.failures(lease.task.run_id)
            assert lease.attempt == model.attempt + 1
            self.ledger.leased(lease, LEASE_S)
        self.leases += leases

    @rule(number=RECENT)
    @precondition(lambda self: self.leases)
    def start(self, number: int) -> None:
        lease = recent(self.leases, number)
        run_id = lease.task.run_id
        started = self.expect(
            self.backend.run_store.start(run_id, lease.attempt), self.ledger.may_go_on(run_id, lease.attempt)
        )
        if started is not None:
            assert (started.status, started.attempt) == (RunStatus.RUNNING, lease.attempt)
            self.ledger.runs[run_id].run = started
            self.ledger.runs[run_id].begun = lease.attempt

    @rule(number=RECENT, outcome=st.sampled_from([SUCCEEDED, FAILED, AGAIN, DEAD]))
    @precondition(lambda self: self.leases)
    def finish(self, number: int, outcome: Outcome) -> None:
        lease = recent(self.leases, number)
        self.end(lease.task.run_id, lease.attempt, outcome)

    def end(self, run_id: str, attempt: int, outcome: Outcome) -> None:
        ended = self.expect(
            self.backend.run_store.finish(run_id, attempt, outcome), self.ledger.may_go_on(run_id, attempt)
        )
        if ended is not None:
            assert fits(outcome, ended)
            run = self.ledger.runs[run_id]
            run.run = structs.replace(ended, input=run.run.input)

    @rule(act=st.sampled_from(["extend", "ack", "release", "fail", "delay", "bury"]), number=RECENT)
    @precondition(lambda self: self.leases)
    def treat_lease(self, act: str, number: int) -> None:
        self.treat(act, recent(self.leases, number))

    @rule(number=RECENT)
    @precondition(lambda self: self.leases)
    def give_up(self, number: int) -> None:
        """What a worker does after the fifth failure."""
        lease = recent(self.leases, number)
        self.end(lease.task.run_id, lease.attempt, DEAD)
        self.treat("bury", lease)

    def treat(self, act: str, lease: Lease) -> None:
        refusal = self.ledger.holds(lease)
        queue, letters = self.backend.task_queue, self.backend.dead_letters
        work: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "extend": lambda: queue.extend(lease),
            "ack": lambda: queue.ack(lease),
            "release": lambda: queue.release(lease, failed=False),
            "fail": lambda: queue.release(lease, failed=True),
            "delay": lambda: queue.release(lease, failed=False, delay_s=DELAY_S),
            "bury": lambda: letters.bury(lease, "broken"),
        }
        self.expect(work[act](), refusal)
        if refusal is None:
            self.ledger.treat(lease.task.run_id, act, lease_s=LEASE_S, delay_s=DELAY_S)

    @precondition(lambda self: self.ledger.letters)
    @rule(number=RECENT, reopen=st.booleans())
    def redrive(self, number: int, reopen: bool) -> None:
        """What a dispatcher does, or the first half of it."""
        run_id = recent(sorted(self.ledger.letters), number)
        self.do(self.backend.dead_letters.redrive(run_id))
        self.ledger.redrive(run_id)
        with pytest.raises(DeadLetterNotFound):
            self.do(self.backend.dead_letters.redrive(run_id))
        if reopen:
            self.reopen(run_id)

    @rule(seconds=st.sampled_from([1.0, 15.0, 15.0, LEASE_S + 1]))
    def pass_time(self, seconds: float) -> None:
        self.do(self.bench.pass_time(seconds))
        self.ledger.pass_time(seconds)

    # What everybody can see

    @rule(number=RECENT)
    @precondition(lambda self: self.run_ids)
    def get(self, number: int) -> None:
        run_id = recent(self.run_ids, number)
        model = self.ledger.runs.get(run_id)
        found = self.expect(self.backend.run_store.get(run_id), None if model else RunNotFound)
        if model is not None and found is not None:
            self.ledger.is_as(model, found)

    @rule(status=st.sampled_from([None, *RunStatus]))
    def look(self, status: RunStatus | None) -> None:
        page = self.do(self.backend.run_store.list_runs(status=status, limit=1_000))
        letters = self.do(self.backend.dead_letters.list_letters(limit=1_000))
        depth = self.do(self.backend.task_queue.depth())
        wanted = [run_id for run_id, model in self.ledger.runs.items() if status in (None, model.run.status)]
        held = sum(bool(task.receipt) for task in self.ledger.tasks.values())

        assert [run.run_id for run in page.items] == sorted(wanted, reverse=True)
        assert {letter.run_id for letter in letters.items} == set(self.ledger.letters)
        self.check_depth(depth, held)

    def check_depth(self, depth: Depth, held: int) -> None:
        assert (depth.visible, depth.in_flight) == (len(self.ledger.tasks) - held, held)

    @invariant()
    def count(self) -> None:
        Grid.taken += 1
        self.since_crash += 1

    # The end of a process

    @precondition(lambda self: self.since_crash >= BETWEEN_CRASHES)
    @rule()
    def restart(self) -> None:
        """A gentle end: everything is as it was, but for what lived in memory only."""
        self.do(self.stack.aclose())
        self.open()
        self.recover(gentle=True)

    @precondition(lambda self: self.since_crash >= BETWEEN_CRASHES)
    @rule()
    def crash(self) -> None:
        """A power cut: what was promised is there, and what was on its way may be."""
        after = self.bench.crashed()
        self.do(self.stack.aclose())
        self.bench = after
        self.open()
        self.recover(gentle=False)

    def open(self) -> None:
        self.stack = AsyncExitStack()
        self.backend = self.do(self.stack.enter_async_context(self.bench.open()))
        self.since_crash = 0

    def recover(self, *, gentle: bool) -> None:
        ledger = self.ledger
        ledger.runs = {run_id: run for run_id, run in ledger.runs.items() if self.survived(run, gentle=gentle)}
        leases = {lease.task.run_id: lease for lease in self.do(self.all_leases())}
        letters = {letter.run_id for letter in self.do(self.backend.dead_letters.list_letters(limit=1_000)).items}
        self.check_tasks(leases, gentle=gentle)
        self.check_letters(leases, letters)

    async def all_leases(self) -> list[Lease]:
        leases = await self.backend.task_queue.receive(limit=1_000, wait_s=0)
        for lease in leases:
            await self.backend.task_queue.release(lease, failed=False)
        return leases

    def survived(self, model: ModelRun, *, gentle: bool) -> bool:
        """Whether the run is still there, as it must or may be; the model learns how it was found."""
        try:
            found = self.do(self.backend.run_store.get(model.run.run_id))
        except RunNotFound:
            assert not model.durable
            assert not (gentle and model.ended)
            return False
        if model.ended or gentle:
            self.ledger.is_as(model, found)
        else:
            assert not found.status.ended
            assert (found.input, found.retried) == (model.run.input, model.run.retried)
        assert model.durable or model.ended
        model.run, model.durable, model.begun, model.sent = found, True, 0, True
        return True

    def check_tasks(self, leases: dict[str, Lease], *, gentle: bool) -> None:
        """Durable tasks are there, and so is the task of every run that has not ended; no others but ghosts."""
        ledger = self.ledger
        known = {run_id: task for run_id, task in ledger.tasks.items() if task.durable}
        ghosts = {} if gentle else ledger.taken_off
        unfinished = {run_id for run_id, run in ledger.runs.items() if not run.ended}
        assert known.keys() | unfinished <= leases.keys() <= known.keys() | unfinished | ghosts.keys()
        for run_id, lease in leases.items():
            model = known.get(run_id) or ghosts.get(run_id)
            if model is not None:
                assert same_age(lease.task) == same_age(model.task)
                assert 1 <= lease.attempt <= model.attempt + 1
                assert lease.failures <= model.failures + 1
                assert not gentle or (lease.attempt == model.attempt + 1 and lease.failures >= model.failures)
        ledger.tasks = {
            run_id: ModelTask(lease.task, durable=True, attempt=lease.attempt, failures=lease.failures)
            for run_id, lease in leases.items()
        }
        ledger.taken_off.clear()

    def check_letters(self, leases: dict[str, Lease], letters: set[str]) -> None:
        """Letters are kept; a run is dead with a letter or a task; and what is on the queue is no dead letter."""
        ledger = self.ledger
        dead = {run_id for run_id, run in ledger.runs.items() if run.run.status is RunStatus.DEAD}
        assert letters == (ledger.letters.keys() | dead) - leases.keys()
        for run_id in letters - ledger.letters.keys():
            run = ledger.runs[run_id].run
            task = some_task(run.function_id, run_id=run_id, input=run.input)
            ledger.letters[run_id] = ModelTask(task, durable=True, attempt=run.attempt)
        ledger.letters = {run_id: ledger.letters[run_id] for run_id in letters}


@pytest.fixture
def aws_services(tmp_path: Path) -> Iterator[AwsServices]:
    with running_services(tmp_path) as services:
        yield services


class AwsGrid(Grid):
    """The same on AWS, where all but the leases' receipts lives outside: another process finds everything as it was.

    What the last one held stays invisible until its lease runs out.
    """

    services: AwsServices

    def __init__(self) -> None:
        super().__init__()
        self.ledger = AwsLedger()

    def new_bench(self) -> Bench:
        self.stacks = ExitStack()
        return AwsBench(self.services, self.stacks.enter_context(self.services.stack()), TurnedClock(self.services.now))

    def teardown(self) -> None:
        super().teardown()
        self.stacks.close()

    def check_depth(self, depth: Depth, held: int) -> None:
        # SQS counts what was given back with a delay among what is in flight: both are invisible messages to it.
        assert depth.visible + depth.in_flight == len(self.ledger.tasks)
        assert depth.in_flight >= held

    def recover(self, *, gentle: bool) -> None:
        for task in self.ledger.tasks.values():
            task.receipt = task.receipt and "nobody's"
        for run in self.ledger.runs.values():
            self.ledger.is_as(run, self.do(self.backend.run_store.get(run.run.run_id)))


def walk(machine: type[Grid], steps: int, *, examples: int) -> None:
    """Take so many steps at least."""
    each = settings(
        max_examples=examples,
        stateful_step_count=STEPS_EACH,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
    Grid.taken = 0
    while Grid.taken < steps:
        run_state_machine_as_test(machine, settings=each)


@pytest.mark.timeout(60 + STEPS // 50)
def test_the_backend_is_as_the_model_says() -> None:
    walk(Grid, STEPS, examples=EXAMPLES_EACH)


@pytest.mark.timeout(300 + AWS_STEPS)
def test_the_aws_backend_is_as_the_model_says(aws_services: AwsServices) -> None:
    AwsGrid.services = aws_services
    walk(AwsGrid, AWS_STEPS, examples=4)
