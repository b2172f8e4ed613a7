"""A rehearsal's burst played by the simulation, beside what the rehearsal saw.

Three things are taken from the rehearsal: when the tasks came, how long a run took beyond its sleep, and how long from
launch to a worker's first task. The rest is the model's: how far the backlog grows, when the group is full, when the
queue is empty. The worker that a rehearsal kills, and Redis's restart, are not played.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from nanogrid.cloud.rehearsal.report import Report, Sample
from simulation.grid import Moment, Simulation, Story, World
from simulation.policies import one_by_one

#: What both sides are asked for.
_ORDER = ("most waiting", "five workers wanted after", "queue empty after", "last run ended after")


@dataclass(frozen=True)
class Figures:
    """How a burst went. Times are in seconds from its first task."""

    most_waiting: int
    full_s: float
    empty_s: float
    ended_s: float

    def cells(self) -> tuple[str, str, str, str]:
        """As a person reads them."""
        return f"{self.most_waiting:,}", f"{self.full_s:.0f} s", f"{self.empty_s:.0f} s", f"{self.ended_s:.0f} s"


def world(report: Report) -> World:
    """The rehearsal's own numbers."""
    plan = report.plan
    return World(
        slots=plan.slots,
        service_s=plan.task_s + beyond_s(report),
        boot_s=boot_s(report.samples),
        metric_age_s=0.0,
        period_s=plan.period_s,
    )


def beyond_s(report: Report) -> float:
    """What a run took beyond its sleep, on average over the time when all had come and some waited (Little's law)."""
    waited = [sample for sample in report.samples if sample.submitted == report.plan.tasks and sample.visible > 0]
    first, last = waited[0], waited[-1]
    # What a killed worker had leased is in flight until its leases run out, but nobody is at work on it.
    at_work = sum(min(sample.in_flight, report.plan.slots * sample.workers) for sample in waited) / len(waited)
    return at_work * (last.at_s - first.at_s) / (last.done - first.done) - report.plan.task_s


def boot_s(samples: list[Sample]) -> float:
    """From a worker's launch until more was at work than before it, as the median over those that were launched."""
    launches = [later for earlier, later in pairwise(samples) if later.workers > earlier.workers]
    return median(_first_task(samples, launch) - launch.at_s for launch in launches)


def _first_task(samples: list[Sample], launch: Sample) -> float:
    before = launch.in_flight
    later = (sample.at_s for sample in samples if sample.at_s > launch.at_s and sample.in_flight > before)
    return next(later, launch.at_s)


def arrivals(samples: list[Sample]) -> Iterator[float]:
    """When each task came: evenly between one sample and the next."""
    for earlier, later in pairwise(samples):
        came = later.submitted - earlier.submitted
        for n in range(came):
            yield earlier.at_s + (later.at_s - earlier.at_s) * (n + 1) / came


def play(report: Report) -> Story:
    """The burst under the stack's two alarms, as patient as the rehearsal's."""
    beyond = beyond_s(report)
    service = (report.plan.sleep_s(n) + beyond for n in range(report.plan.tasks))
    policy = one_by_one(report.plan.empty_periods)
    return Simulation(world(report), policy, arrivals(report.samples), service).run()


def seen(report: Report) -> Figures:
    """What the rehearsal saw."""
    return _figures(
        [
            Moment(sample.at_s, sample.visible, sample.in_flight, sample.workers + sample.draining)
            for sample in report.samples
        ]
    )


def told(story: Story) -> Figures:
    """What the simulation says."""
    return _figures(story.moments)


def table(report: Report) -> str:
    """Both, side by side."""
    lines = ["| | rehearsal | simulation |", "|---|--:|--:|"]
    both = zip(_ORDER, seen(report).cells(), told(play(report)).cells(), strict=True)
    return "\n".join([*lines, *(f"| {name} | {saw} | {says} |" for name, saw, says in both)]) + "\n"


def _figures(moments: list[Moment]) -> Figures:
    most = max(moments, key=lambda moment: moment.backlog)
    workers = max(moment.workers for moment in moments)
    after = [moment for moment in moments if moment.at_s > most.at_s]
    return Figures(
        most_waiting=most.backlog,
        full_s=next(moment.at_s for moment in moments if moment.workers == workers),
        empty_s=next(moment.at_s for moment in after if moment.backlog == 0),
        ended_s=next(moment.at_s for moment in after if moment.backlog == moment.running == 0),
    )
