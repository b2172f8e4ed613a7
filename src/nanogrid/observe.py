"""What the platform says of itself: one event per line with a stable name, and numbers for Prometheus."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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


class Metrics:
    """The numbers a grid counts. Built once by `bootstrap`, handed to who counts."""

    def __init__(self) -> None:
        """Each grid has a registry of its own, so that two in one process do not mix."""
        self.registry = CollectorRegistry()
        self.runs = Counter("nanogrid_runs", "Runs that ended, by status.", ["status"], registry=self.registry)
        self.cold_starts = Counter(
            "nanogrid_cold_starts", "Runs that waited for a sandbox to load their code.", registry=self.registry
        )
        self.failures = Counter(
            "nanogrid_run_failures",
            "Runs that ended without success, by the kind of their error.",
            ["kind"],
            registry=self.registry,
        )
        self.duration = Histogram(
            "nanogrid_run_duration_seconds", "Time in the handler.", buckets=_BUCKETS_S, registry=self.registry
        )
        self.queued = Histogram(
            "nanogrid_run_queued_seconds",
            "Time from acceptance to the handler.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.cold_start = Histogram(
            "nanogrid_cold_start_seconds",
            "Time that cold runs waited for their sandbox to start and to import the code.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.backlog = Gauge("nanogrid_backlog", "Tasks that wait.", registry=self.registry)
        self.in_flight = Gauge("nanogrid_in_flight", "Tasks that are leased.", registry=self.registry)
        self.sandboxes = Gauge("nanogrid_sandboxes", "Sandboxes, by state.", ["state"], registry=self.registry)
        self.platform_failures = Counter(
            "nanogrid_platform_failures", "Attempts that the platform failed at.", registry=self.registry
        )
        self.requests = Counter(
            "nanogrid_http_requests", "HTTP answers, by route and status.", ["route", "status"], registry=self.registry
        )
