"""The model: what must be true of runs, tasks, leases and dead letters, told by dictionaries."""

from dataclasses import dataclass, field

from nanogrid.errors import LeaseLost, NanoGridError, RunEnded, RunNotFound
from nanogrid.model import Lease, Outcome, Run, RunStatus, Task

#: How an operation must be refused; None where it must succeed.
Refusal = type[NanoGridError] | None


@dataclass
class ModelRun:
    run: Run
    durable: bool
    #: The latest attempt that has begun since the grid was opened.
    begun: int = 0
    sent: bool = False

    @property
    def ended(self) -> bool:
        return self.run.status.ended


@dataclass
class ModelTask:
    task: Task
    durable: bool
    attempt: int = 0
    failures: int = 0
    #: Of the lease that holds it; "" for none.
    receipt: str = ""
    expires: float = 0.0
    #: When it can be received, while nobody holds it.
    due: float = 0.0
    #: Its lease ran out, and whether that counts as a failure is seen when it is received again.
    lost: bool = False


@dataclass
class Ledger:
    """The whole truth, as far as it was promised."""

    now: float = 0.0
    runs: dict[str, ModelRun] = field(default_factory=dict)
    tasks: dict[str, ModelTask] = field(default_factory=dict)
    #: Dead letters, by run.
    letters: dict[str, ModelTask] = field(default_factory=dict)
    #: Tasks that were taken off the queue, and that a crash may bring back.
    taken_off: dict[str, ModelTask] = field(default_factory=dict)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for task in self.tasks.values():
            if task.receipt and task.expires <= self.now:
                self.run_out(task)

    # Leases

    def ready(self) -> list[str]:
        """Runs whose tasks may be received now."""
        return [run_id for run_id, task in self.tasks.items() if not task.receipt and task.due <= self.now]

    def run_out(self, task: ModelTask) -> None:
        self.give_back(task, failed=True)

    def failures(self, run_id: str) -> int:
        """How many failures the task's next lease says."""
        return self.tasks[run_id].failures

    def leased(self, lease: Lease, lease_s: float) -> None:
        task = self.tasks[lease.task.run_id]
        task.failures, task.lost = lease.failures, False
        task.attempt, task.receipt, task.expires = lease.attempt, lease.receipt, self.now + lease_s

    def holds(self, lease: Lease) -> Refusal:
        task = self.tasks.get(lease.task.run_id)
        return None if task is not None and task.receipt == lease.receipt else LeaseLost

    def give_back(self, task: ModelTask, *, failed: bool, delay_s: float = 0.0) -> None:
        task.receipt = ""
        task.failures += failed
        task.due = self.now + delay_s

    def take_off(self, run_id: str) -> ModelTask:
        task = self.tasks.pop(run_id)
        task.receipt = ""
        if task.durable:
            self.taken_off[run_id] = task
        return task

    def bury(self, run_id: str) -> None:
        self.letters[run_id] = self.take_off(run_id)
        # A letter is on disk with the removal of its task: nothing brings that back.
        self.taken_off.pop(run_id, None)

    def redrive(self, run_id: str) -> None:
        task = self.letters.pop(run_id)
        task.failures, task.durable, task.due, task.lost = 0, True, 0.0, False
        self.tasks.setdefault(run_id, task)

    def treat(self, run_id: str, act: str, *, lease_s: float, delay_s: float) -> None:
        """What a holder does with his lease."""
        if act == "extend":
            self.tasks[run_id].expires = self.now + lease_s
        elif act == "ack":
            self.take_off(run_id)
        elif act == "bury":
            self.bury(run_id)
        else:
            delay = delay_s if act == "delay" else 0.0
            self.give_back(self.tasks[run_id], failed=act == "fail", delay_s=delay)

    # Runs

    def may_go_on(self, run_id: str, attempt: int) -> Refusal:
        run = self.runs.get(run_id)
        if run is None:
            return RunNotFound
        return RunEnded if run.ended or run.begun > attempt else None

    def may_reopen(self, run_id: str) -> Refusal:
        run = self.runs.get(run_id)
        if run is None:
            return RunNotFound
        return None if run.run.status is RunStatus.DEAD else RunEnded

    def is_as(self, model: ModelRun, found: Run) -> None:
        """What the store has of a run is what was promised of it."""
        known = model.run
        assert (found.run_id, found.input) == (known.run_id, known.input)
        assert (found.status, found.output, found.error) == (known.status, known.output, known.error)
        assert (found.attempt, found.retried, found.ended_at is None) == (
            known.attempt,
            known.retried,
            not known.status.ended,
        )


@dataclass
class AwsLedger(Ledger):
    """On AWS a lease that ran out counts if its attempt had begun, for nobody knows whether its holder lives."""

    def run_out(self, task: ModelTask) -> None:
        self.give_back(task, failed=False)
        task.lost = True

    def failures(self, run_id: str) -> int:
        task = self.tasks[run_id]
        return task.failures + (task.lost and self.had_begun(run_id, task.attempt))

    def had_begun(self, run_id: str, attempt: int) -> bool:
        model = self.runs.get(run_id)
        return model is None or (model.run.attempt == attempt and model.run.status is not RunStatus.QUEUED)


def fits(outcome: Outcome, run: Run) -> bool:
    """Whether the run has the outcome."""
    return (run.status, run.output, run.error) == (outcome.status, outcome.output, outcome.error)
