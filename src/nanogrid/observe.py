"""What the platform says of itself: one event per line with a stable name, and numbers for Prometheus."""

import logging
import sys
from bisect import bisect_left
from collections.abc import Iterator, MutableMapping
from itertools import accumulate
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from nanogrid.model import ErrorKind, Outcome, RunStatus
from nanogrid.schedule import Fire, FireOutcome

Log = structlog.stdlib.BoundLogger

#: What the histograms of times count by, in seconds.
_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900)
_PLAIN = structlog.dev.plain_traceback


def make_log(form: str, stream: TextIO = sys.stderr) -> Log:
    """A logger that writes `json` lines, or lines for a person (`human`), to the stream.

    One event is one line, whatever users wrote into its values; for a person, a traceback is indented below it.
    """
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=True)]
        if form == "json"
        else [_tame, structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24, exception_formatter=_PLAIN)]
    )
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return log


def printable(text: str) -> str:
    """The text on one line, and with nothing in it that moves a terminal's cursor: such characters are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _tame(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make texts printable; what is no text is rendered by `repr`, which does the same."""
    tamed = {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}
    if traceback := event.get("exception"):
        tamed["exception"] = "\n".join("    " + printable(line) for line in traceback.splitlines())
    return tamed


class _Times:
    """A histogram that is written by one thread, every run, and read rarely."""

    def __init__(self, name: str, description: str) -> None:
        self._name = name
        self._description = description
        self._counts = [0] * (len(_BUCKETS_S) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self._sum += seconds

    @property
    def count(self) -> int:
        return sum(self._counts)

    def family(self) -> Metric:
        bounds = [*map(floatToGoString, _BUCKETS_S), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(self._counts)), strict=True))
        return HistogramMetricFamily(self._name, self._description, buckets=buckets, sum_value=self._sum)


class RunFigures(Collector):
    """What is counted of every run: plain numbers, made into metrics when somebody asks."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self._ended: dict[RunStatus, int] = {}
        self._failed: dict[ErrorKind, int] = {}
        self._duration = _Times("nanogrid_run_duration_seconds", "Time in the handler.")
        self._queued = _Times("nanogrid_run_queued_seconds", "Time from acceptance to the handler.")
        self._cold_start = _Times(
            "nanogrid_cold_start_seconds",
            "Time that cold runs waited for their sandbox to start and to import the code.",
        )

    def add(self, outcome: Outcome) -> None:
        """Count a run that has ended."""
        usage = outcome.usage
        self._ended[outcome.status] = self._ended.get(outcome.status, 0) + 1
        self._duration.add(usage.duration_ms / 1000)
        self._queued.add(usage.queued_ms / 1000)
        if usage.cold_start:
            self._cold_start.add(usage.init_ms / 1000)
        if outcome.error is not None:
            kind = outcome.error.kind
            self._failed[kind] = self._failed.get(kind, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        runs = CounterMetricFamily("nanogrid_runs", "Runs that ended, by status.", labels=["status"])
        for status, count in self._ended.items():
            runs.add_metric([status.value], count)
        yield runs
        description = "Runs that waited for a sandbox to load their code."
        yield CounterMetricFamily("nanogrid_cold_starts", description, value=self._cold_start.count)
        description = "Runs that ended without success, by the kind of their error."
        failures = CounterMetricFamily("nanogrid_run_failures", description, labels=["kind"])
        for kind, count in self._failed.items():
            failures.add_metric([kind.value], count)
        yield failures
        yield self._duration.family()
        yield self._queued.family()
        yield self._cold_start.family()


class AnswerFigures(Collector):
    """HTTP answers by route and status, counted as plain numbers."""

    def __init__(self) -> None:
        """Nothing has been answered yet."""
        self.counts: dict[tuple[str, int], int] = {}

    def add(self, route: str, status: int) -> None:
        """Count an answer."""
        key = (route, status)
        self.counts[key] = self.counts.get(key, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        answers = CounterMetricFamily(
            "nanogrid_http_requests", "HTTP answers, by route and status.", labels=["route", "status"]
        )
        for (route, status), count in list(self.counts.items()):
            answers.add_metric([route, str(status)], count)
        yield answers


class Metrics:
    """The numbers a grid counts. Built once by `bootstrap`, handed to who counts."""

    def __init__(self) -> None:
        """Each grid has a registry of its own, so that two in one process do not mix."""
        self.registry = CollectorRegistry()
        self._runs = RunFigures()
        self.registry.register(self._runs)
        #: Called with the outcome of every run.
        self.count_run = self._runs.add
        self.backlog = Gauge("nanogrid_backlog", "Tasks that wait.", registry=self.registry)
        self.in_flight = Gauge("nanogrid_in_flight", "Runs under way.", registry=self.registry)
        self.sandboxes = Gauge("nanogrid_sandboxes", "Sandboxes, by state.", ["state"], registry=self.registry)
        self.platform_failures = Counter(
            "nanogrid_platform_failures", "Attempts that the platform failed at.", registry=self.registry
        )
        self._fires = Counter(
            "nanogrid_schedule_fires",
            "Due times of schedules, by what came of them.",
            ["outcome"],
            registry=self.registry,
        )
        self._fire_delay = Histogram(
            "nanogrid_schedule_delay_seconds",
            "Time from a schedule's due time to its run.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.answers = AnswerFigures()
        self.registry.register(self.answers)

    def count_fire(self, fire: Fire) -> None:
        """Count a due time of a schedule, or several that came to the same."""
        self._fires.labels(fire.outcome.value).inc(fire.count)
        if fire.outcome is FireOutcome.STARTED:
            self._fire_delay.observe(max(0.0, (fire.at - fire.due_at).total_seconds()))
