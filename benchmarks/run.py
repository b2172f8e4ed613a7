"""`make bench`: the workloads W1 to W11 on a really started grid, each beside what the machine could do at most.

Isolation, authentication, logs and history are on, as they are by default. See `docs/performance.md`.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from instrument.bench import Bench, Place, Scale
from instrument.chart import draw
from instrument.generator import Generator, find_wrk
from instrument.machine import MachineBusy, describe, refuse_when_loaded
from instrument.report import Result, keep, make_result, markdown, print_row, table, write_between
from instrument.rows import Row, over_rounds
from instrument.targets import reached
from instrument.workloads import WORKLOADS
from rich.console import Console

_DOCS = Path(__file__).parent.parent / "docs"
#: A table that is wrapped can't be read.
_WIDTH = 220
_QUICK = Scale(
    seconds=2.0,
    warm_up_s=0.5,
    cold=20,
    runs=500,
    warm=20,
    sleepers=(50,),
    functions=(10, 50),
    history=(1_000, 5_000),
)


def main(
    *,
    only: Annotated[str, typer.Option(help="Which workloads, such as W1,W5; else all.")] = "",
    seconds: Annotated[float | None, typer.Option(min=1, help="How long each cell is measured.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured, one after the other.")] = 5,
    place: Annotated[str, typer.Option(help="pinned, free or both.")] = "both",
    quick: Annotated[bool, typer.Option("--quick", help="Small: whether it works, not how fast.")] = False,
    own_generator: Annotated[bool, typer.Option("--own-generator", help="Do without wrk.")] = False,
    sandbox: Annotated[str, typer.Option(help="What `nanogrid up --sandbox` takes.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Measure though the machine is busy.")] = False,
    write_docs: Annotated[bool, typer.Option("--write-docs", help="Write tables and chart of the docs.")] = False,
) -> None:
    """Measure, print, and keep the result in benchmarks/results."""
    scale = _scale(quick=quick, seconds=seconds)
    chosen = only.split(",") if only else list(WORKLOADS)
    if unknown := set(chosen) - set(WORKLOADS):
        raise typer.BadParameter(f"there is no workload {min(unknown)}; there are {', '.join(WORKLOADS)}")
    console = Console(highlight=False, emoji=False, markup=False, width=_WIDTH)
    try:
        load = refuse_when_loaded(force=force)
        wrk = None if own_generator else find_wrk()
        benches = [
            Bench(one, Generator(cpus=one.load, wrk=wrk), scale, ("--sandbox", sandbox), force=force)
            for _ in range(rounds)
            for one in _places(place)
        ]
        found, limits = asyncio.run(_measure(console, benches, chosen))
    except MachineBusy as exc:
        console.print(f"error: {exc}", style="red")
        raise typer.Exit(75) from exc
    result = make_result(
        machine=describe(),
        sandbox=sandbox,
        command=" ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        load=load,
        forced=force,
        limits=limits,
        rows=over_rounds(found),
        rounds=found,
    )
    _publish(console, result, write_docs=write_docs)
    raise typer.Exit(1 if any(row.wrong for row in found) else 0)


def _scale(*, quick: bool, seconds: float | None) -> Scale:
    base = _QUICK if quick else Scale()
    return Scale(**{**_fields(base), "seconds": seconds or base.seconds})


def _fields(scale: Scale) -> dict[str, Any]:
    return {name: getattr(scale, name) for name in scale.__struct_fields__}


def _places(name: str) -> list[Place]:
    """Pinned needs two processors, one of them for the load."""
    cpus = sorted(os.sched_getaffinity(0))
    pinned = Place(name="pinned", server=frozenset(cpus[:1]), load=frozenset(cpus[1:2]))
    both = {"free": [Place(name="free")], "pinned": [pinned], "both": [pinned, Place(name="free")]}
    if name not in both:
        raise typer.BadParameter(f"{name!r} is not pinned, free or both")
    return [one for one in both[name] if one.name == "free" or len(cpus) > 1]


async def _measure(
    console: Console, benches: list[Bench], chosen: list[str]
) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Round after round, so that what drifts, drifts for all; the limits are of the last round."""
    found: list[Row] = []
    limits: dict[str, dict[str, float]] = {}
    for bench in benches:
        limits[bench.place.name] = await bench.limits()
        for name in chosen:
            async for row in WORKLOADS[name](bench):
                print_row(console, row)
                found.append(row)
    return found, limits


def _publish(console: Console, result: Result, *, write_docs: bool) -> None:
    console.print()
    for placement in ("pinned", "free"):
        if rows := [row for row in result.rows if row.placement == placement]:
            console.print(placement, style="bold")
            console.print(table(rows))
    console.print(f"\nKept in {keep(result, result.measured_at)}.")
    if write_docs:
        _write_docs(result)


def _write_docs(result: Result) -> None:
    """Tables and chart; Docker's have places of their own."""
    page, docker = _DOCS / "performance.md", result.sandbox == "docker"
    write_between(page, "docker-targets" if docker else "targets", reached(result.rows, sandbox=result.sandbox))
    write_between(page, "docker" if docker else "bench", markdown(result))
    if not docker:
        rows = [row for row in result.rows if row.placement == result.rows[0].placement]
        (_DOCS / "images" / "performance.svg").write_text(draw(rows, "Runs through HTTP, as the caller sees them"))


if __name__ == "__main__":
    typer.run(main)
