"""How a rehearsal looks: live on a terminal, line by line elsewhere, and its report at the end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from nanogrid.cloud.rehearsal.report import Burst, Flow, Moment, Report, Sample

_BLOCKS = " ▁▂▃▄▅▆▇█"
_MOST_WORKERS = 5
_WIDTH = 60
_EVENTS = 12
#: From one line to the next where there is no terminal, in seconds.
_LINE_S = 3.0


class Watcher(Protocol):
    """As `cloud.rehearsal.watcher.Watcher`, which is imported only with the rehearsal."""

    def step(self, text: str) -> None:
        """The rehearsal does this next."""

    def moment(self, moment: "Moment") -> None:
        """Something happened."""

    def sample(self, sample: "Sample") -> None:
        """How it stands."""


@contextmanager
def watching(console: Console, tasks: int) -> Iterator[Watcher]:
    """A watcher that shows what it sees as it happens."""
    if not console.is_terminal:
        yield _Lines(console, tasks)
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield _Screen(live, tasks)


class _Lines:
    """One line after another, for logs."""

    def __init__(self, console: Console, tasks: int) -> None:
        self._console = console
        self._tasks = tasks
        self._began_at = time.monotonic()
        self._next_at = 0.0

    def step(self, text: str) -> None:
        self._console.print(f"[{time.monotonic() - self._began_at:5.1f} s] {text}")

    def moment(self, moment: "Moment") -> None:
        self._console.print(f"  {moment.at_s:6.1f} s  {moment.text}")

    def sample(self, sample: "Sample") -> None:
        if sample.at_s < self._next_at:
            return
        self._next_at = sample.at_s + _LINE_S
        self._console.print(
            f"  {sample.at_s:6.1f} s  backlog {sample.visible:4}  in flight {sample.in_flight:3}  "
            f"done {sample.done:4}/{self._tasks}  workers {sample.workers} (+{sample.draining} draining)"
        )


class _Screen:
    """One picture that is drawn anew."""

    def __init__(self, live: Live, tasks: int) -> None:
        self._live = live
        self._tasks = tasks
        self._began_at = time.monotonic()
        self._steps: list[tuple[float, str]] = []
        self._moments: list[Moment] = []
        self._samples: list[Sample] = []

    def step(self, text: str) -> None:
        self._steps.append((time.monotonic() - self._began_at, text))
        self._draw()

    def moment(self, moment: "Moment") -> None:
        self._moments.append(moment)
        self._draw()

    def sample(self, sample: "Sample") -> None:
        self._samples.append(sample)
        self._draw()

    def _draw(self) -> None:
        parts: list[RenderableType] = [Text(f"{at:5.1f} s  {text}", style="dim") for at, text in self._steps[:-1]]
        parts += [Text(f"{at:5.1f} s  {text}", style="bold") for at, text in self._steps[-1:]]
        if self._samples:
            parts += ["", _now(self._samples[-1], self._tasks), *_charts(self._samples), ""]
        parts += [_event(moment) for moment in self._moments[-_EVENTS:]]
        self._live.update(Group(*parts))


def print_report(console: Console, report: "Report") -> None:
    """What was seen, for a person."""
    console.print()
    console.print(Text(f"The burst: {report.plan.tasks} tasks, in {report.sandbox} sandboxes", style="bold"))
    for line in _charts(report.samples):
        console.print(line)
    console.print()
    for moment in report.moments:
        console.print(_event(moment))
    console.print()
    console.print(_counts(report.burst))
    _print_flow(console, "Where the time of a deployment goes", report.deploy)
    _print_flow(console, "Where the time of a warm run goes", report.run)
    console.print(
        f"Shortened: the alarms look every {report.plan.period_s:g} s instead of every minute, "
        f"{report.plan.empty_periods} times instead of 5 before a worker goes; a lease lasts {report.plan.lease_s:g} s "
        "instead of 30.",
        style="dim",
    )
    console.print()
    for fault in report.faults:
        console.print(Text(f"✗ {fault}", style="bold red"))
    if not report.faults:
        console.print(Text(f"✓ As promised, in {report.took_s:.0f} s.", style="bold green"))


def _now(sample: "Sample", tasks: int) -> Text:
    workers = "●" * sample.workers + "○" * max(0, _MOST_WORKERS - sample.workers)
    return Text(
        f"{sample.at_s:5.1f} s   backlog {sample.visible:4}   in flight {sample.in_flight:3}   "
        f"done {sample.done:4} / {tasks}   workers {workers}   draining {sample.draining}"
    )


def _charts(samples: "Sequence[Sample]") -> list[Text]:
    """Backlog, what is done, and workers over the time, each as high as it was."""
    columns = _columns(samples)
    end = f"{samples[-1].at_s:.0f} s" if samples else ""
    return [
        _chart("backlog", [sample.visible for sample in columns], "cyan"),
        _chart("done", [sample.done for sample in columns], "green"),
        Text.assemble("workers  ", ("".join(str(sample.workers) for sample in columns), "bold yellow")),
        Text(f"         0 s{end:>{max(0, len(columns) - 3)}}", style="dim"),
    ]


def _columns(samples: "Sequence[Sample]") -> "list[Sample]":
    """No more than fit beside each other."""
    step = max(1, -(-len(samples) // _WIDTH))
    return [samples[min(i + step - 1, len(samples) - 1)] for i in range(0, len(samples), step)]


def _chart(name: str, values: Sequence[int], style: str) -> Text:
    most = max([1, *values])
    blocks = "".join(_BLOCKS[-(-value * (len(_BLOCKS) - 1) // most)] for value in values)
    return Text.assemble(f"{name:<9}", (blocks, style), (f"  most {most}", "dim"))


def _event(moment: "Moment") -> Text:
    style = "red" if moment.text.startswith(("SIGKILL", "x ", "! ")) else ""
    return Text(f"{moment.at_s:6.1f} s  {moment.text}", style=style)


def _counts(burst: "Burst") -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    for name, value in [
        ("tasks submitted", burst.submitted),
        ("succeeded", burst.succeeded),
        ("lost", burst.lost),
        ("duplicated", burst.duplicated),
        ("cut off by scale-in", burst.cut_off),
        ("begun again after a worker died", burst.tried_again),
    ]:
        table.add_row(name, f"{value}")
    table.add_row("from the first task to the last outcome", f"{burst.took_s:.1f} s")
    return table


def _print_flow(console: Console, title: str, flow: "Flow") -> None:
    ours = sum(hop.ms - hop.service_ms for hop in flow.hops if not hop.emulated)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("hop")
    table.add_column("ms", justify="right")
    table.add_column("in a service", justify="right")
    table.add_column("what")
    for hop in flow.hops:
        service = f"{hop.service_ms:.1f}" if hop.service_ms else ""
        table.add_row(hop.name, f"{hop.ms:.1f}", service, hop.what, style="dim" if hop.emulated else "")
    console.print(table)
    console.print(
        f"Medians of {flow.times}; {flow.whole_ms:.0f} ms in all, of which {ours:.0f} ms are NanoGrid's own, and the "
        f"rest the emulator's. A call that does nothing takes {flow.empty_call_ms:.0f} ms there.\n",
        style="dim",
    )
