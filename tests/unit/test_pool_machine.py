"""The pool under any order of events: nobody shares a sandbox, no limit is passed, none is left out or leaks."""

import asyncio
from collections import Counter
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fake_sandbox import FakeSandbox
from nanogrid.errors import SandboxBroken, SandboxUnavailable
from nanogrid.model import ErrorKind, Function, RunError
from nanogrid.ports import Claim
from nanogrid.sandbox.budget import ESTIMATE_MB
from open_pool import Opened, function

MAX_SANDBOXES, BUDGET_MB = 5, 150.0
FUNCTIONS = [
    function("plain", idle_ttl_ms=5000),
    function("limited", 1, concurrency=2),
    function("limited", 2, concurrency=2, idle_ttl_ms=0),
    function("limited", 3, concurrency=2),
    function("node", runtime="nodejs"),
]
FAILURES = st.sampled_from([None, RunError(kind=ErrorKind.INIT_FAILED, type="E", message="m"), SandboxBroken("odd")])


class PoolMachine(RuleBasedStateMachine):
    """Callers come, go and change their minds; sandboxes fail, die, grow and dawdle; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.held: list[tuple[Function, Claim]] = []
        self.waiting: list[tuple[Function, asyncio.Task]] = []

    @initialize(spares=st.integers(0, 2))
    def open(self, spares: int) -> None:
        async def start() -> Opened:
            box = Opened(
                budget_mb=BUDGET_MB,
                max_sandboxes=MAX_SANDBOXES,
                spares=spares,
                runtimes=["python3.11"],
                starting_at_once=2,
            )
            await box.pool.start()
            return box

        self.box = self.loop.run_until_complete(start())
        self.rest()

    def rest(self, act: Callable[[], object] = lambda: None) -> None:
        """Do something, let all that follows from it happen, and note who has been served."""

        async def acting() -> None:
            act()
            await self.box.rest()

        self.loop.run_until_complete(acting())
        for wanted, task in [pair for pair in self.waiting if pair[1].done()]:
            self.waiting.remove((wanted, task))
            if not task.cancelled() and task.exception() is None and isinstance(task.result(), Claim):
                assert task.result().sandbox.reusable
                self.held.append((wanted, task.result()))

    @property
    def gates_open(self) -> bool:
        return all(gate.is_set() for gate in self.box.driver.gates.values())

    # What may happen

    @rule(wanted=st.sampled_from(FUNCTIONS), callers=st.integers(1, 4))
    def acquire(self, wanted: Function, callers: int) -> None:
        self.rest(lambda: self.waiting.extend((wanted, self.box.ask(wanted)) for _ in range(callers)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 3), how=st.sampled_from(["once", "twice", "dead"]))
    def release(self, data: st.DataObject, count: int, how: str) -> None:
        for _ in range(min(count, len(self.held))):
            claim = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))[1]
            if how == "dead":
                claim.sandbox.die()
            self.rest(lambda claim=claim: self.box.pool.release(claim))
            if how == "twice":
                self.rest(lambda claim=claim: self.box.pool.release(claim))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), meanwhile=st.sampled_from(["nothing", "released before", "released after"]))
    def cancel(self, data: st.DataObject, meanwhile: str) -> None:
        task = self.waiting[data.draw(st.integers(0, len(self.waiting) - 1))][1]
        if meanwhile == "nothing" or not self.held:
            self.rest(task.cancel)
            return
        claim = self.held.pop()[1]
        steps = [lambda: self.box.pool.release(claim), task.cancel]
        self.rest(lambda: [step() for step in (steps if meanwhile == "released before" else reversed(steps))])

    @precondition(lambda self: self.box.driver.living)
    @rule(data=st.data(), mb=st.sampled_from([0.0, 5.0, 20.0, 60.0]))
    def die_or_grow(self, data: st.DataObject, mb: float) -> None:
        sandbox = data.draw(st.sampled_from(self.box.driver.living))
        if mb:
            sandbox.mb = mb
        else:
            sandbox.die()

    @rule(seconds=st.integers(1, 6))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.box.pass_time(seconds))
        self.rest()

    @precondition(lambda self: self.gates_open)
    @rule(gate=st.sampled_from(["create", "load", "kill"]))
    def close_gate(self, gate: str) -> None:
        self.box.driver.gates[gate].clear()

    @precondition(lambda self: not self.gates_open)
    @rule()
    def open_gates(self) -> None:
        self.rest(lambda: [gate.set() for gate in self.box.driver.gates.values()])

    @rule(load=FAILURES, create=st.booleans())
    def fail_next(self, load: RunError | Exception | None, create: bool) -> None:
        self.box.driver.load_results.append(load)
        if create:
            self.box.driver.create_errors.append(SandboxUnavailable("no more processes"))

    # What must hold at every moment

    @invariant()
    def nobody_shares_a_sandbox(self) -> None:
        assert max(Counter(id(claim.sandbox) for _, claim in self.held).values(), default=1) == 1

    @invariant()
    def everybody_has_the_version_asked_for(self) -> None:
        for wanted, claim in self.held:
            sandbox = claim.sandbox
            assert isinstance(sandbox, FakeSandbox)
            assert (sandbox.function, sandbox.kind) == (wanted, (wanted.runtime, wanted.network))
            assert not sandbox.killed

    @invariant()
    def no_limit_is_passed(self) -> None:
        running = Counter(wanted.name for wanted, _ in self.held)
        assert running["limited"] <= 2
        driver = self.box.driver
        assert len(driver.living) + driver.creating_now <= MAX_SANDBOXES
        assert driver.creating_now <= 2

    @invariant()
    def the_books_agree(self) -> None:
        ledger = self.box.pool._inventory._ledger
        census = self.box.pool.census()
        assert census["busy"] == len(self.held)
        assert ledger.budget.count == len(ledger.residents) + ledger.creating
        total = sum(resident.mb for resident in ledger.residents.values()) + ledger.creating * ESTIMATE_MB
        assert abs(ledger.budget.mb - total) < 1e-6
        assert self.box.pool._inventory._waiting == len(self.waiting)

    @invariant()
    def nobody_waits_for_what_could_be_had(self) -> None:
        if not self.gates_open:
            return
        ledger = self.box.pool._inventory._ledger
        census = self.box.pool.census()
        for wanted in {task_wanted.name: task_wanted for task_wanted, _ in self.waiting}.values():
            limited = ledger.quotas[wanted.function_id].full
            no_room = census["spare"] == census["warm"] == 0 and not ledger.budget.has_room()
            assert limited or no_room

    def teardown(self) -> None:
        self.rest(lambda: [gate.set() for gate in self.box.driver.gates.values()])
        self.loop.run_until_complete(self.box.pool.close())
        self.rest()
        assert self.waiting == []
        assert self.box.driver.living == []
        assert self.box.driver.creating_now == 0
        self.loop.close()


PoolMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_any_order_of_events = PoolMachine.TestCase
