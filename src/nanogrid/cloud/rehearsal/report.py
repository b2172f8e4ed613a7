"""What a rehearsal has seen, and whether it is what was promised."""

from nanogrid.model import Record


class Plan(Record, frozen=True, kw_only=True):
    """What is rehearsed."""

    tasks: int = 500
    #: How long the function of a task sleeps, in seconds.
    task_s: float = 0.3
    #: Likewise, of the first and of the last ones: so the backlog grows on a machine of any speed, and something is at
    #: work when workers are to go.
    long_task_s: float = 6.0
    first_long: int = 16
    last_long: int = 8
    #: Most tasks of a worker at once.
    slots: int = 4
    #: docker, bubblewrap, or auto: Docker where an engine answers and has the images.
    sandbox: str = "auto"
    #: From one look of the alarms to the next, in seconds; a minute on AWS.
    period_s: float = 2.0
    #: How many looks in a row find an empty queue before a worker goes.
    empty_periods: int = 2
    #: How long a lease lasts without a heartbeat, in seconds; 30 on AWS.
    lease_s: float = 10.0
    #: Warm runs that are timed hop by hop, and deployments.
    timed_runs: int = 30
    timed_deployments: int = 5

    def sleep_s(self, n: int) -> float:
        """How long the task with this number sleeps; they count from 0."""
        is_long = n < self.first_long or n >= self.tasks - self.last_long
        return self.long_task_s if is_long else self.task_s


class Sample(Record, frozen=True, kw_only=True):
    """How it stood at one moment."""

    #: Seconds since the first task.
    at_s: float
    submitted: int
    #: As the queue says: tasks that wait, and tasks that are leased.
    visible: int
    in_flight: int
    #: Instances in service, and those that a hook holds while they drain.
    workers: int
    draining: int

    @property
    def done(self) -> int:
        """How many have left the queue."""
        return max(0, self.submitted - self.visible - self.in_flight)


class Moment(Record, frozen=True):
    """Something that happened."""

    at_s: float
    text: str


class Hop(Record, frozen=True, kw_only=True):
    """One step of a flow, as the median of many."""

    name: str
    ms: float
    #: How much of it the emulator took for answering, or Redis.
    service_ms: float
    what: str
    #: Whether it takes as long as it does because an emulator does it.
    emulated: bool


class Flow(Record, frozen=True, kw_only=True):
    """One of the two flows, as the medians of so many."""

    hops: list[Hop]
    whole_ms: float
    #: What a call through API Gateway and Lambda takes that does nothing.
    empty_call_ms: float
    times: int


class Burst(Record, frozen=True, kw_only=True):
    """What became of the tasks."""

    submitted: int
    succeeded: int
    #: Accepted, but without an outcome, or with a wrong one.
    lost: int
    #: Runs in the history beyond those that were submitted.
    duplicated: int
    #: Runs that took more than one attempt.
    tried_again: int
    #: Tasks that were given back unfinished because of a scale-in, and hooks that ran out.
    cut_off: int
    killed_workers: int
    redis_restarts: int
    #: From the first task to the last outcome, in seconds.
    took_s: float


class Report(Record, frozen=True, kw_only=True):
    """A whole rehearsal."""

    plan: Plan
    sandbox: str
    #: From the start to the end, in seconds.
    took_s: float
    burst: Burst
    samples: list[Sample]
    moments: list[Moment]
    run: Flow
    deploy: Flow
    #: What is not as promised; a rehearsal without faults has succeeded.
    faults: list[str]


def faults(plan: Plan, burst: Burst, samples: list[Sample], *, high: int, low: int) -> list[str]:
    """What is not as promised, a sentence each."""
    workers = [sample.workers for sample in samples] or [0]
    found = [
        (burst.lost > 0, f"{burst.lost} of {burst.submitted} tasks have no outcome, or a wrong one."),
        (burst.duplicated > 0, f"{burst.duplicated} runs are in the history that nobody submitted."),
        (burst.cut_off > 0, f"scale-in cut off {burst.cut_off} tasks."),
        (burst.submitted != plan.tasks, f"only {burst.submitted} of {plan.tasks} tasks were accepted."),
        (max(workers) != high, f"there were {max(workers)} workers at most, not {high}."),
        (workers[-1] != low, f"in the end there were {workers[-1]} workers, not {low}."),
        (burst.killed_workers == 0, "no worker was killed."),
        (burst.redis_restarts == 0, "Redis was not restarted."),
    ]
    return [text for holds, text in found if holds]
