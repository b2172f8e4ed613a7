"""What every workload measures with: where things run, how large they are, and one measurement."""

import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal

from instrument import processes
from instrument.generator import Answers, Generator
from instrument.machine import load_average, refuse_when_shared
from instrument.rows import Limit, Row
from instrument.started import Grid, start, started_grid, started_script
from nanogrid.cli.load import Target, make_target
from nanogrid.model import Record

HERE = Path(__file__).parent
NO_OP = "def handler(event, context):\n    return {'ok': True}\n"
NO_OP_ANSWER = b'"output":{"ok":true}'


class Scale(Record, frozen=True, kw_only=True):
    """How large the workloads are; `run.py` sets it from its options."""

    seconds: float = 10.0
    warm_up_s: float = 2.0
    #: Distinct functions that have never run.
    cold: int = 100
    #: Asynchronous runs.
    runs: int = 10_000
    #: Functions kept warm.
    warm: int = 200
    #: Runs that sleep at once.
    sleepers: tuple[int, ...] = (200, 1000)
    #: Functions deployed, few and many; runs remembered, few and many.
    functions: tuple[int, int] = (10, 10_000)
    history: tuple[int, int] = (1_000, 1_000_000)


class Place(Record, frozen=True, kw_only=True):
    """Which processors the server, its sandboxes included, and the load have; None for all."""

    name: Literal["pinned", "free"]
    server: frozenset[int] | None = None
    load: frozenset[int] | None = None

    def cores(self, all_cores: int) -> int:
        """How many processors the server has."""
        return len(self.server) if self.server else all_cores


class Bench:
    """One round at one place."""

    def __init__(
        self,
        place: Place,
        generator: Generator,
        scale: Scale,
        grid_options: tuple[str, ...] = (),
        *,
        force: bool = False,
    ) -> None:
        """`grid_options` go to `nanogrid up`; `force` measures on a busy machine too."""
        self.place = place
        self.generator = generator
        self.scale = scale
        self._grid_options = grid_options
        self._force = force
        self._limits: dict[str, float] = {}

    def grid(self) -> AbstractAsyncContextManager[Grid]:
        """A fresh grid, everything on as by default."""
        return started_grid(*self._grid_options, cpus=self.place.server)

    @asynccontextmanager
    async def no_op_grid(self) -> AsyncIterator[tuple[Grid, Target]]:
        """A fresh grid with the function that does nothing, and how to run it."""
        async with self.grid() as grid:
            await deploy(grid, "noop", NO_OP)
            yield grid, grid.target("noop", expect=NO_OP_ANSWER)

    @asynccontextmanager
    async def minimal(self, body: bytes, expect: bytes) -> AsyncIterator[Target]:
        """The minimal platform beside it, asked with the same event."""
        async with started_script("minimal_faas.py", cpus=self.place.server) as (_, port):
            yield make_target(f"http://127.0.0.1:{port}/", body, {}, expect=(expect,))

    async def limits(self) -> dict[str, float]:
        """What `limits.py` says of the processors that the server has; measured once in a round."""
        if not self._limits:
            with tempfile.TemporaryDirectory(prefix="nanogrid-bench-") as folder:
                # -I -S: what is forked is a bare interpreter.
                arguments = [sys.executable, "-I", "-S", str(HERE / "limits.py")]
                program = await start(arguments, Path(folder), cpus=self.place.server)
                await program.process.wait()
                self._limits = json.loads(program.said().strip().rpartition("\n")[2])
        return self._limits

    async def row(
        self,
        workload: str,
        title: str,
        grid: Grid,
        load: Awaitable[Answers],
        *,
        limit: Limit | None = None,
        memory: bool = False,
    ) -> Row:
        """Drive the load and put down what came back and what it cost; `memory` looks at all processes afterwards."""
        foreign, average = refuse_when_shared(force=self._force), load_average()
        before = processes.cpu_s(grid.pid)
        answers = await load
        used = processes.cpu_s(grid.pid) - before
        figures = figures_of(answers) | {
            "server_cpu_us": used.server / max(1, answers.answers) * 1e6,
            "sandbox_cpu_us": used.below / max(1, answers.answers) * 1e6,
        }
        if memory:
            figures["memory_mb"] = processes.pss_mb(grid.pid).total
        return Row(
            workload=workload,
            title=title,
            placement=self.place.name,
            figures={name: round(value, 2) for name, value in figures.items()},
            limit=limit,
            generator=answers.generator,
            wrong=answers.wrong,
            first_wrong=answers.first_wrong,
            load=average,
            foreign=foreign,
        )


def figures_of(answers: Answers) -> dict[str, float]:
    """Latencies and rate, as far as there are any."""
    named = {
        "p50_us": answers.p50_us,
        "p99_us": answers.p99_us,
        "p999_us": answers.p999_us,
        "rate": answers.rate,
        "late_p99_us": answers.late_p99_us,
    }
    return {name: value for name, value in named.items() if value is not None}


def limited(answers: Answers, figure: str, source: str) -> Limit:
    """The figure of a measurement beside, as a limit."""
    return Limit(figure=figure, value=figures_of(answers)[figure], source=source)


async def deploy(
    grid: Grid, name: str, source: str, *, memory_mb: int | None = None, concurrency: int | None = None
) -> None:
    """Make a function, or its next version."""
    async with grid.client as client:
        await client.deploy(source, name=name, memory_mb=memory_mb, concurrency=concurrency)


async def deploy_distinct(grid: Grid, count: int, source: str) -> list[str]:
    """So many functions, no two of the same code; their names."""
    names = [f"distinct-{number}" for number in range(count)]
    async with grid.client as client:
        for name in names:
            await client.deploy(f"{source}\n# {name}\n", name=name)
    return names
