"""When workers join and leave. A policy sees what CloudWatch shows, once a period, and names the workers it wants."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Sight:
    """What a policy is shown."""

    #: Messages that wait, and messages that are being worked on.
    visible: int
    in_flight: int
    #: Messages that were sent, a second, over the last period.
    sent_rate: float
    #: Workers that are wanted now: those in service and those on their way.
    workers: int
    #: How many runs one worker ends in a second.
    worker_rate: float
    #: For how many looks in a row none has waited.
    empty_looks: int = 0


Policy = Callable[[Sight], int]

#: A worker that is busier than this share of its time lets runs wait.
_FULL = 0.8


def one_by_one(patience: int = 5) -> Policy:
    """The stack's two alarms: ten or more wait, one more; none waits for so many looks, one less at each."""

    def wanted(sight: Sight) -> int:
        if sight.visible >= 10:
            return sight.workers + 1
        return sight.workers - (sight.empty_looks >= patience)

    return wanted


def by_steps(patience: int = 5) -> Policy:
    """One step policy with steps: the longer the queue, the more at once."""
    steps = ((1000, 4), (100, 2), (10, 1))

    def wanted(sight: Sight) -> int:
        more = next((count for least, count in steps if sight.visible >= least), 0)
        return sight.workers + (more or -(sight.empty_looks >= patience))

    return wanted


def within(target_s: float) -> Policy:
    """As many as end what is there within the target, and one less only where the rest would still do."""

    def wanted(sight: Sight) -> int:
        work = sight.visible + sight.in_flight
        need = math.ceil(work / (sight.worker_rate * target_s))
        if need >= sight.workers:
            return need
        return sight.workers - 1

    return wanted


def keeping_up(target_s: float) -> Policy:
    """As many as end what comes, and besides what has piled up within the target; one less at a time."""

    def wanted(sight: Sight) -> int:
        rate = sight.sent_rate + sight.visible / target_s
        return max(math.ceil(rate / (sight.worker_rate * _FULL)), sight.workers - 1)

    return wanted


def stay(sight: Sight) -> int:
    """No scaling at all."""
    return sight.workers


@dataclass(frozen=True)
class Plan:
    """A policy, and the fewest workers it may leave; None leaves that to the world."""

    name: str
    policy: Policy
    fewest: int | None = None
