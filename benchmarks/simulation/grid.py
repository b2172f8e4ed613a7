"""The queue, the workers and the group, event by event. What it leaves out is said in `docs/scale.md`."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from simulation.policies import Policy, Sight


@dataclass(frozen=True, kw_only=True)
class World:
    """How fast things are. Times are in seconds."""

    #: Runs that a worker holds at once, and how long one takes on average.
    slots: int = 10
    service_s: float = 0.2
    #: From the decision to launch to the first task: instance, bundle, first spares.
    boot_s: float = 90.0
    #: How old the number is that an alarm sees, and how often it looks.
    metric_age_s: float = 60.0
    period_s: float = 60.0
    fewest: int = 1
    most: int = 5

    @property
    def worker_rate(self) -> float:
        """Runs that one worker ends in a second."""
        return self.slots / self.service_s


@dataclass(frozen=True)
class Moment:
    """What there is at one time."""

    at_s: float
    backlog: int
    running: int
    workers: int


@dataclass
class Story:
    """What happened: how long each run waited, and how backlog and workers went."""

    waits: list[float] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    worker_seconds: float = 0.0
    ended_s: float = 0.0

    def wait(self, share: float) -> float:
        """The wait that this share of all runs does not exceed, in seconds."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class _Worker:
    ready: bool = False
    leaving: bool = False
    running: int = 0


class Simulation:
    """One story under one policy."""

    def __init__(self, world: World, policy: Policy, arrivals: Iterator[float], service: Iterator[float]) -> None:
        """`arrivals` are times in order, `service` how long each run takes; the story ends when all are done."""
        self._world = world
        self._policy = policy
        self._arrivals = arrivals
        self._service = service
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._now = 0.0
        self._queue: deque[float] = deque()
        self._workers = [_Worker(ready=True) for _ in range(world.fewest)]
        self._seen: deque[tuple[float, int, int, float]] = deque()
        self._empty_looks = 0
        self._sent = 0
        self._open = True
        self._story = Story()

    def run(self) -> Story:
        """From the first arrival to the last end, and until the group is as small as it may be."""
        self._next_arrival()
        self._after(self._world.period_s, self._look)
        while self._events and not self._over():
            at, _, act = heapq.heappop(self._events)
            self._story.worker_seconds += (at - self._now) * len(self._workers)
            self._now = at
            act()
        self._story.ended_s = self._now
        return self._story

    def _over(self) -> bool:
        idle = not self._open and not self._queue and self._running == 0
        return idle and len(self._workers) <= self._world.fewest

    @property
    def _running(self) -> int:
        return sum(worker.running for worker in self._workers)

    def _after(self, delay_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + delay_s, next(self._numbers), act))

    def _next_arrival(self) -> None:
        at = next(self._arrivals, None)
        if at is None:
            self._open = False
            return
        self._after(at - self._now, self._arrive)

    def _arrive(self) -> None:
        self._sent += 1
        self._queue.append(self._now)
        self._hand_out()
        self._next_arrival()

    def _hand_out(self) -> None:
        for worker in self._workers:
            while self._queue and worker.ready and not worker.leaving and worker.running < self._world.slots:
                self._story.waits.append(self._now - self._queue.popleft())
                worker.running += 1
                self._after(next(self._service), lambda at=worker: self._end(at))

    def _end(self, worker: _Worker) -> None:
        worker.running -= 1
        self._let_go(worker)
        self._hand_out()

    def _let_go(self, worker: _Worker) -> None:
        # Whoever leaves ends what he holds first: scale-in cuts nothing off.
        if worker.leaving and worker.running == 0:
            self._workers.remove(worker)

    def _look(self) -> None:
        """Once a period: note what there is, and let the policy decide on what was there a while ago."""
        self._story.moments.append(Moment(self._now, len(self._queue), self._running, len(self._workers)))
        self._seen.append((self._now, len(self._queue), self._running, self._sent / self._world.period_s))
        self._sent = 0
        while len(self._seen) > 1 and self._seen[1][0] <= self._now - self._world.metric_age_s:
            self._seen.popleft()
        _, visible, in_flight, sent_rate = self._seen[0]
        self._empty_looks = 0 if visible else self._empty_looks + 1
        staying = [worker for worker in self._workers if not worker.leaving]
        sight = Sight(visible, in_flight, sent_rate, len(staying), self._world.worker_rate, self._empty_looks)
        wanted = max(self._world.fewest, min(self._world.most, self._policy(sight)))
        for _ in range(wanted - len(staying)):
            self._launch()
        for worker in staying[: max(0, len(staying) - wanted)]:
            worker.leaving = True
            self._let_go(worker)
        self._after(self._world.period_s, self._look)

    def _launch(self) -> None:
        worker = _Worker()
        self._workers.append(worker)

        def ready() -> None:
            worker.ready = True
            self._hand_out()

        self._after(self._world.boot_s, ready)
