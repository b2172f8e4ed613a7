"""Many runs, a tenth of them crashes, and whether the grid is afterwards as it was before."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx

from grid import StartedGrid, started_grid
from hostile.outside import DESCRIPTORS_EACH, View, look, workspace

_GOOD = "def handler(event, context):\n    return event\n"
#: Ways to end badly: by itself, by a signal, and with a process left behind.
_CRASH = """
import os, signal
def handler(event, context):
    if event % 3 == 0:
        os._exit(3)
    if event % 3 == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if os.fork() == 0:
        signal.pause()
    os._exit(4)
"""
_AT_ONCE = 8
_SETTLES_S = 20.0
#: Runs before the baseline is taken, if nothing else is said: the first of everything has been made then.
_WARM_UP = 60


@dataclass(frozen=True)
class State:
    """The grid and its machine at rest."""

    view: View
    threads: int
    #: Control groups beside those of the sandboxes that there are.
    cgroups: int
    #: Descriptors beside those that the sandboxes account for.
    descriptors: int
    resident_kb: int


@dataclass(frozen=True)
class Growth:
    """What is more afterwards; the first is what `View.holes` finds."""

    holes: list[str]
    threads: int
    descriptors: int
    cgroups: int
    kb_per_run: float

    @property
    def none(self) -> bool:
        return not self.holes and self.threads <= 2 and self.cgroups <= 0 and self.kb_per_run < 1

    def __str__(self) -> str:
        left = "; ".join(self.holes) or "nothing left behind (processes, mounts, files, slots, zombies)"
        counts = f"threads {self.threads:+d}, descriptors {self.descriptors:+d}, cgroups {self.cgroups:+d}"
        return f"{left}; {counts}, {self.kb_per_run:.2f} KB a run"


async def growth(runs: int, *, warm_up: int = _WARM_UP, crash_every: int = 10, sandbox: str = "bubblewrap") -> Growth:
    """Let a grid run so many, every so manieth of them a crash, and compare it with itself after `warm_up`.

    Memory tells only where those fill what is filled once: the latest 10,000 runs are kept in memory.
    """
    async with started_grid("--sandbox", sandbox, environment={"NANOGRID_MAX_RUNNING": str(_AT_ONCE)}) as grid:
        async with httpx.AsyncClient(base_url=grid.url, headers=grid.headers, timeout=60) as client:
            for name, source in (("good", _GOOD), ("crash", _CRASH)):
                body = {"name": name, "runtime": "python3", "source": source}
                (await client.post("/functions", json=body)).raise_for_status()
            numbers = iter(range(warm_up + runs))
            await _run(client, numbers, warm_up, crash_every)
            before = await _at_rest(grid)
            await _run(client, numbers, warm_up + runs, crash_every)
        after = await _at_rest(grid)
    return Growth(
        after.view.holes(before.view),
        after.threads - before.threads,
        after.descriptors - before.descriptors,
        after.cgroups - before.cgroups,
        (after.resident_kb - before.resident_kb) / runs,
    )


async def _run(client: httpx.AsyncClient, numbers: Iterator[int], until: int, crash_every: int) -> None:
    async def one_after_the_other() -> None:
        for number in numbers:
            crash = number % crash_every == 0
            body = {"functionId": "crash" if crash else "good", "input": number // crash_every}
            record = (await client.post("/run", json=body)).json()
            assert record["status"] == ("failed" if crash else "succeeded"), record
            if number >= until:
                return

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))


async def _at_rest(grid: StartedGrid) -> State:
    """How it is when it does not change any more: sandboxes are cleared away in the background."""
    earlier, later = None, _state(grid)
    for _ in range(int(_SETTLES_S / 0.5)):
        if earlier is not None and earlier.view == later.view and not later.view.orphans:
            break
        await asyncio.sleep(0.5)
        earlier, later = later, _state(grid)
    return later


def _state(grid: StartedGrid) -> State:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{grid.pid}/status").read_text().splitlines() if ":" in line
    )
    view = look(grid.pid, grid.data, "bubblewrap")
    return State(
        view=view,
        threads=int(status["Threads"]),
        # Without control groups of its own a grid has none to leave behind, however many sandboxes it has.
        cgroups=max(0, len(groups(grid.data)) - len(view.sandboxes)),
        descriptors=view.descriptors - DESCRIPTORS_EACH * len(view.sandboxes),
        resident_kb=int(status["VmRSS"].split()[0]),
    )


def groups(data: Path) -> set[str]:
    """The control groups of the cells of the grid with that data folder; other grids have theirs."""
    name = sha256(str(workspace(data)).encode()).hexdigest()[:12]
    found = Path("/sys/fs/cgroup").rglob("cell-*")
    return {path.name for path in found if any(name in part for part in path.parts)}
