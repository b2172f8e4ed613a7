"""The verdict, and how a rehearsal looks: on a report of the test's own."""

import io

import pytest
from msgspec import structs
from rich.console import Console

from nanogrid.cli.rehearsal_screen import print_report, watching
from nanogrid.cloud.rehearsal.report import Burst, Flow, Hop, Moment, Plan, Report, Sample, faults

PLAN = Plan()
BURST = Burst(
    submitted=500,
    succeeded=500,
    lost=0,
    duplicated=0,
    tried_again=4,
    cut_off=0,
    killed_workers=1,
    redis_restarts=1,
    took_s=33.0,
)


def sample(at_s: float, workers: int, visible: int = 0) -> Sample:
    return Sample(at_s=at_s, submitted=500, visible=visible, in_flight=0, workers=workers, draining=0)


SAMPLES = [sample(0, 1), sample(0.5, 5, 100), sample(1, 1)]


def test_a_rehearsal_as_promised_has_no_faults():
    assert faults(PLAN, BURST, SAMPLES, high=5, low=1) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lost": 1}, "1 of 500 tasks have no outcome"),
        ({"duplicated": 2}, "2 runs are in the history"),
        ({"cut_off": 3}, "cut off 3 tasks"),
        ({"submitted": 499}, "only 499 of 500"),
        ({"killed_workers": 0}, "no worker was killed"),
        ({"redis_restarts": 0}, "Redis was not restarted"),
    ],
)
def test_every_broken_promise_is_a_fault_of_its_own(change, text):
    (found,) = faults(PLAN, structs.replace(BURST, **change), SAMPLES, high=5, low=1)

    assert text in found


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([sample(0, 1), sample(1, 4), sample(2, 1)], "4 workers at most, not 5"),
        ([sample(0, 1), sample(1, 5), sample(2, 2)], "2 workers, not 1"),
    ],
)
def test_workers_that_do_not_come_or_do_not_go_are_a_fault(samples, text):
    (found,) = faults(PLAN, BURST, samples, high=5, low=1)

    assert text in found


def flow() -> Flow:
    hop = Hop(name="sandbox", ms=0.8, service_ms=0.0, what="the handler runs", emulated=False)
    return Flow(hops=[hop], whole_ms=100.0, empty_call_ms=55.0, times=30)


def report(found: list[str]) -> Report:
    moments = [Moment(1.5, "SIGKILL of Redis")]
    return Report(
        plan=PLAN,
        sandbox="docker",
        took_s=61.0,
        burst=BURST,
        samples=SAMPLES,
        moments=moments,
        run=flow(),
        deploy=flow(),
        faults=found,
    )


@pytest.mark.parametrize(
    ("found", "verdict"), [([], "✓ As promised, in 61 s."), (["no worker was killed."], "✗ no worker was killed.")]
)
def test_a_report_shows_the_backlog_the_workers_what_happened_the_counts_and_the_verdict(found, verdict):
    console = Console(file=io.StringIO(), width=120)
    print_report(console, report(found))
    text = console.file.getvalue()

    assert "backlog   █" in text
    assert "workers  151" in text
    assert "1.5 s  SIGKILL of Redis" in text
    assert verdict in text


@pytest.mark.parametrize("terminal", [False, True])
def test_what_happens_is_shown_as_it_happens(terminal):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal)
    with watching(console, 500) as watcher:
        watcher.step("deploy the stack")
        watcher.moment(Moment(8.3, "+ worker i-1"))
        watcher.sample(sample(9.0, 2, 140))
    text = console.file.getvalue()

    assert all(part in text for part in ("deploy the stack", "+ worker i-1", "140", "360"))
