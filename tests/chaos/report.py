"""`make reliability-report`: measures what docs/reliability.md promises, and writes its table.

Each row can be measured by itself: `make reliability-report ROWS="kills leaks"`; the others keep what they had.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos import fairness, leaks, overload, poison
from chaos.aws import LEASE_S
from chaos.history import Verdict
from chaos.play import USUAL, play
from chaos.schedule import GAP_S, Replay

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "reliability.json"
_BEGIN, _END = "<!-- table: written by tests/chaos/report.py -->\n", "<!-- end of table -->"


class Figure(msgspec.Struct, frozen=True):
    """What was reached, whether that is the target, and when."""

    text: str
    held: bool
    at: str


@dataclass(frozen=True)
class Row:
    """One promise, and how it is measured."""

    promise: str
    backend: str
    target: str
    measure: Callable[[], Awaitable[tuple[str, bool]]]


def said(verdict: Verdict, faults: int) -> str:
    """The verdict as a table shows it."""
    broken = ", ".join(
        f"{name} {len(getattr(verdict, name))}" for name in ("lost", "unexpected", "wrong", "changed", "unfinished")
    )
    twice = f"{verdict.executions} executions" if verdict.executions else "executions not counted"
    return f"{verdict.ended:,} runs, {faults} faults: {broken}; {twice}"


def chaos(
    kinds: str, *, tasks: int = 0, count: int = 0, backend: str = "local", sandbox: str = "bubblewrap", gap_s=GAP_S
) -> Callable[[], Awaitable[tuple[str, bool]]]:
    """A campaign as a measurement."""

    async def measure() -> tuple[str, bool]:
        plan = Replay(backend=backend, sandbox=sandbox, seed=2026, tasks=tasks, kinds=kinds.split(","), faults=[])
        fought = await play(plan, _say, gap_s=gap_s, count=count)
        return said(fought.verdict, len(fought.faults)), fought.verdict.holds

    return measure


async def no_leaks() -> tuple[str, bool]:
    found = await leaks.growth(10_000, warm_up=12_000)
    return str(found), found.none


async def fair() -> tuple[str, bool]:
    alone, ratio = await fairness.ratio(20)
    return f"p99 alone {alone:.1f} ms, {ratio:.2f} times that beside it", ratio <= 1.5


async def poison_beside() -> tuple[str, bool]:
    found = await poison.beside(20)
    return str(found), found.ratio <= 1.5


async def poison_buried() -> tuple[str, bool]:
    found = await poison.buried()
    return str(found), found.bounded


async def not_robbed() -> tuple[str, bool]:
    found = await overload.endured()
    return str(found), found.once


def tests(figure: str, *arguments: str, **environment: str) -> Callable[[], Awaitable[tuple[str, bool]]]:
    """Tests of the suite as a measurement: they hold, or they do not."""

    async def measure() -> tuple[str, bool]:
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        _say(done.stdout.strip().splitlines()[-1])
        return (figure if done.returncode == 0 else "**broken**"), done.returncode == 0

    return measure


_NONE = "lost, unexpected, wrong, changed, unfinished: 0"
ROWS = {
    "kills": Row(
        "10,000 runs while the whole server is killed every 0.5 to 3 s; executions counted by the functions themselves",
        "local, plain processes",
        f"{_NONE}; executions at most runs + 8 for each kill",
        chaos("kill-server", tasks=10_000, sandbox="process"),
    ),
    "kills-isolated": Row(
        "10,000 runs while server and sandboxes are killed, every function in its sandbox",
        "local, bubblewrap",
        _NONE,
        chaos("kill-server,kill-sandbox", tasks=10_000),
    ),
    "two-hundred": Row(
        "200 kills of the whole server in the middle of a burst: every 202 ends",
        "local, bubblewrap",
        _NONE,
        chaos("kill-server", count=200, gap_s=(0.2, 1.0)),
    ),
    "copies": Row(
        "the database as it is at 200 random moments is whole, and has every run promised until then",
        "local, bubblewrap",
        "200 of 200",
        chaos("copy-database", count=200, gap_s=(0.05, 0.4)),
    ),
    "everything": Row(
        "kills, freezes longer than a lease, a network that is slow, cut and half open, drains: all mixed",
        "local, bubblewrap",
        _NONE,
        chaos(USUAL["local"], tasks=2_000, count=45),
    ),
    "disk": Row(
        "a full disk refuses with 503, and the grid goes on by itself when there is room",
        "local, bubblewrap",
        f"{_NONE}; the database whole",
        chaos("fill-disk,copy-database", count=30),
    ),
    "clock": Row(
        "a clock that jumps an hour back and forth",
        "local, bubblewrap",
        _NONE,
        chaos("jump-clock", count=20),
    ),
    "aws-kills": Row(
        "a worker killed every 0.5 to 3 s; executions counted by the functions themselves",
        "AWS, emulated; plain processes",
        f"{_NONE}; executions at most runs + 2 for each kill",
        chaos("kill-worker", tasks=1_000, backend="aws", sandbox="process"),
    ),
    "aws-everything": Row(
        "workers killed, frozen for longer than a lease, drained; Redis restarted, flushed, slow, cut, half open; "
        "SQS and DynamoDB throttled; messages delivered twice and late; answers lost after the call was carried out",
        "AWS, emulated; plain processes",
        _NONE,
        chaos(USUAL["aws"], tasks=1_000, count=60, backend="aws", sandbox="process"),
    ),
    "aws-clocks": Row(
        "workers whose clocks go 10 % too fast or too slow, some frozen for longer than a lease, some killed",
        "AWS, emulated; plain processes",
        _NONE,
        chaos("skew-worker,freeze-worker,kill-worker", tasks=600, count=20, backend="aws", sandbox="process"),
    ),
    "aws-slow": Row(
        "runs three times as long as a lease, while each core has four busy processes more, run once",
        "AWS, emulated; plain processes",
        "as many executions as runs",
        not_robbed,
    ),
    "durable": Row(
        "each 202 follows the sync of the log that holds its run and its task (strace)",
        "local",
        "100 %",
        tests("100 % of 24", "tests/flow/test_durability.py"),
    ),
    "key": Row(
        "100 requests at once with one idempotency key",
        "local",
        "1 execution, 100 identical answers",
        tests("1 execution, 100 identical answers", "tests/flow/test_promises.py", "-k", "one_key"),
    ),
    "model": Row(
        "queue, leases, run store and dead letters as the model says, crashes among the events",
        "local",
        "100,000 steps here, 1,000,000 by `make soak`: 0 divergences",
        tests("100,000 steps, 0 divergences", "tests/model", "-k", "not aws", MODEL_STEPS="100000"),
    ),
    "aws-model": Row(
        "the same, restarts and lost leases among the events",
        "AWS, emulated",
        "3,000 steps: 0 divergences",
        tests("3,000 steps, 0 divergences", "tests/model", "-k", "aws", MODEL_AWS_STEPS="3000"),
    ),
    "fair": Row(
        "one function asked for by 100 clients leaves another's p99 within 1.5 times",
        "local, bubblewrap, 16 runs at once",
        "at most 1.5",
        fair,
    ),
    "poison": Row(
        "a function that kills its sandbox each time, asked for again and again, leaves another's p99 within 1.5 times",
        "local, bubblewrap",
        "at most 1.5; each crash `failed` after one attempt",
        poison_beside,
    ),
    "aws-poison": Row(
        f"a task that takes its worker along each time is a dead letter after five workers, in bounded time (a lease "
        f"lasts {LEASE_S:.0f} s); the others do not go with it, and redriven, once cured, it succeeds",
        "AWS, emulated; plain processes",
        f"5 workers, {10 * LEASE_S:.0f} s at most, 100 of 100 others right",
        poison_buried,
    ),
    "leaks": Row(
        "10,000 runs, 1,000 of them crashes, leave nothing behind (after 12,000, which fill what is kept in memory of "
        "the latest 10,000)",
        "local, bubblewrap",
        "threads +2, descriptors +5 at most; 0 zombies, mounts, files, cgroups; less than 1 KB a run",
        no_leaks,
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make reliability-report", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which: {', '.join(ROWS)}; all if none is given")
    names = parser.parse_args().rows or list(ROWS)
    for name in names:
        _say(f"--- {name}")
        text, held = asyncio.run(ROWS[name].measure())
        _keep(name, Figure(text, held, f"{datetime.now(UTC):%Y-%m-%d}"))
    write_table()
    return not all(figure.held for figure in figures().values())


def figures() -> dict[str, Figure]:
    """What was measured, by row."""
    return msgspec.json.decode(FIGURES.read_bytes(), type=dict[str, Figure]) if FIGURES.exists() else {}


def _keep(name: str, figure: Figure) -> None:
    # Read again each time: rows may be measured side by side.
    known = figures() | {name: figure}
    FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")


def table() -> str:
    """The table as it has to stand in the page."""
    known = figures()
    lines = ["| promise | backend | target | reached | command |", "|---|---|---|---|---|"]
    for name, row in ROWS.items():
        figure = known.get(name)
        reached = "not measured yet" if figure is None else f"{figure.text} ({figure.at})"
        if figure is not None and not figure.held:
            reached = f"**missed:** {reached}"
        lines.append(f"| {row.promise} | {row.backend} | {row.target} | {reached} | `ROWS={name}` |")
    return "\n".join(lines) + "\n"


def write_table() -> None:
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{table()}\n{_END}{after}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
