"""Says whether a run has become dearer, on any machine, however busy: a ratio of processor times, not of wall times.

What a warm run costs the grid is divided by what the same event costs the minimal platform, both measured in turns on
one processor, so that a slow machine slows down both. A crowded machine only ever makes a round dearer (cold caches):
the cheapest round of each is what counts. One client, since how many requests are answered in one wake-up would depend
on the crowd too. More than 1.5 times the ratio in `guard.json` fails: exit code 1.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from instrument import processes
from instrument.bench import NO_OP, NO_OP_ANSWER, deploy
from instrument.machine import on_cpus
from instrument.started import started_grid, started_script

from nanogrid.cli.load import Target, closed_loop, make_target
from nanogrid.model import Record

STORED = Path(__file__).with_name("guard.json")
_ROUNDS = 20
_SECONDS = 0.25
_WARM_UP_S = 1.0


class Cost(Record, frozen=True, kw_only=True):
    """What one run took of the processor at the cheapest, in microseconds: server, sandbox, writing of the history."""

    grid_us: float
    minimal_us: float

    @property
    def ratio(self) -> float:
        """How many times the minimum."""
        return self.grid_us / self.minimal_us


class Allowed(Record, frozen=True, kw_only=True):
    """What `guard.json` holds."""

    #: How many times the minimum a run cost when this was stored.
    ratio: float
    #: How many times as much as then is too much.
    margin: float = 1.5

    def permits(self, cost: Cost) -> bool:
        """Whether a run costs about as much as before."""
        return cost.ratio <= self.ratio * self.margin


def stored(path: Path) -> Allowed:
    """What is allowed at present."""
    return msgspec.json.decode(path.read_bytes(), type=Allowed)


async def measure(*, rounds: int = _ROUNDS, source: Path | None = None) -> Cost:
    """The cheapest of so many rounds. `source` is a folder with another copy of the package.

    Raises `StartFailed`; `ConnectionFailed` and `ValueError` where runs do not succeed.
    """
    cpus = frozenset([max(os.sched_getaffinity(0))])
    with on_cpus(cpus):
        return await _measure(rounds, source)


async def _measure(rounds: int, source: Path | None) -> Cost:
    async with started_script("minimal_faas.py") as (minimal_pid, port), started_grid(source=source) as grid:
        await deploy(grid, "noop", NO_OP)
        run = grid.target("noop", expect=NO_OP_ANSWER)
        minimal = make_target(f"http://127.0.0.1:{port}/", b'{"ok":true}', {}, expect=(b'"ok": true',))
        await closed_loop(run, clients=1, seconds=_WARM_UP_S)
        costs = [
            (await _cost_us(run, grid.pid), await _cost_us(minimal, minimal_pid))  # in turns
            for _ in range(rounds)
        ]
    grid_us, minimal_us = map(min, zip(*costs, strict=True))
    return Cost(grid_us=grid_us, minimal_us=minimal_us)


async def _cost_us(target: Target, pid: int) -> float:
    before = processes.cpu_s(pid)
    tally = await closed_loop(target, clients=1, seconds=_SECONDS)
    used = processes.cpu_s(pid) - before
    if tally.wrong or not tally.latencies:
        raise ValueError(f"{tally.wrong} answers were wrong; the first: {tally.first_wrong}")
    return used.total / len(tally.latencies) * 1e6


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How often both are measured.")] = _ROUNDS,
    store: Annotated[bool, typer.Option("--store", help="Keep the ratio as what is allowed from now on.")] = False,
    source: Annotated[Path | None, typer.Option(help="A folder with another copy of the package.")] = None,
) -> None:
    """Measure what a run costs, and compare it with what it cost before."""
    found = uvloop.run(measure(rounds=rounds, source=source))
    minimum = f"{found.minimal_us:.1f} us of the minimal platform"
    print(f"A run costs {found.grid_us:.1f} us of processor time, {found.ratio:.2f} times the {minimum}.")
    if store:
        STORED.write_bytes(msgspec.json.encode(Allowed(ratio=round(found.ratio, 2))) + b"\n")
        return
    allowed = stored(STORED)
    if not allowed.permits(found):
        print(
            f"That is more than {allowed.margin} times the {allowed.ratio:.2f} of before. Find out why, or --store it."
        )
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
