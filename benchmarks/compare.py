"""`make bench-peers`: NanoGrid and whatever of its kind the package registries hold, with the same handler.

Each is installed into a throw-away environment below a temporary folder, and started again in every round; rounds are
interleaved. Isolation and durability stand in every row. Peers that can't be had are named with the reason.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from instrument.generator import Generator, GeneratorFailed, find_wrk
from instrument.machine import MachineBusy, describe, refuse_when_loaded, refuse_when_shared
from instrument.report import keep, write_between
from instrument.standings import QUEUE_HEADINGS, Standing, markdown, peer_headings, peer_row, queue_row, terminal
from instrument.started import StartFailed
from peers import PEERS, QUEUES
from peers.peer import CannotBeHad, Drained, Peer, Queue
from rich.console import Console

_DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
_WIDTH = 220
_CLIENTS = (1, 8, 32)
#: How much of a reason stands in a table.
_REMARK = 80
#: What a peer may do wrong without ending the comparison.
_FAILURES = (CannotBeHad, StartFailed, GeneratorFailed)
Say = Callable[[str], None]


class Comparison:
    """All peers of one kind over all rounds."""

    def __init__(self, folder: Path, say: Say) -> None:
        """Peers are installed below the folder."""
        self._folder = folder
        self._say = say
        self._standings: dict[str, Standing] = {}

    async def install(self, peers: list[Any]) -> list[Any]:
        """The peers that are there afterwards; of the others the reason is kept."""
        there = []
        for peer in peers:
            self._standings[peer.name] = _first_standing(peer)
            self._say(f"installing {peer.name}")
            self._place(peer).mkdir()
            version = await self._attempt(peer, peer.install(self._place(peer)))
            if version is not None:
                self._standings[peer.name] = msgspec.structs.replace(self._standings[peer.name], version=version)
                there.append(peer)
        return there

    async def peer(self, peer: Peer, generator: Generator, seconds: float) -> None:
        """One round of one peer: each number of clients, on a fresh start."""
        await self._attempt(peer, self._peer(peer, generator, seconds))

    async def queue(self, queue: Queue, jobs: int) -> None:
        """One round of one queue."""
        drained = await self._attempt(queue, queue.drain(self._place(queue), jobs, None))
        if drained is not None:
            self._add_drained(queue, drained)

    def standings(self) -> list[Standing]:
        """In the order of installation: ours is the first."""
        return list(self._standings.values())

    async def _peer(self, peer: Peer, generator: Generator, seconds: float) -> None:
        async with peer.started(self._place(peer), None) as target:
            for clients in _CLIENTS if peer.concurrent else (1,):
                await generator.warm_up(target, clients=clients, seconds=min(2.0, seconds))
                answers = await generator.closed(target, clients=clients, seconds=seconds)
                figures = {f"rate_{clients}": answers.rate}
                if clients == 1:
                    figures |= {"p50_us": answers.p50_us or 0.0, "p99_us": answers.p99_us or 0.0}
                self._add(peer, figures, answers.wrong)
                self._say(f"{peer.name}, {clients}: {answers.p50_us} us, {answers.rate:,.0f}/s, {answers.wrong} wrong")

    def _add_drained(self, queue: Queue, drained: Drained) -> None:
        figures = {
            "enqueued_rate": drained.enqueued_rate,
            "drained_rate": drained.drained_rate,
            "p50_us": drained.p50_us,
        }
        self._add(queue, figures, drained.wrong)
        self._say(f"{queue.name}: {drained.drained_rate:,.0f} drained/s, one job {drained.p50_us:.0f} us")

    def _add(self, peer: Peer | Queue, figures: dict[str, float], wrong: int) -> None:
        one = self._standings[peer.name]
        # A cell with a wrong answer is void: it would be rewarded for not doing the work.
        kept = {} if wrong else figures
        grown = {**one.figures, **{name: [*one.figures.get(name, []), value] for name, value in kept.items()}}
        self._standings[peer.name] = msgspec.structs.replace(one, figures=grown, wrong=one.wrong + wrong)

    async def _attempt(self, peer: Peer | Queue, work: Awaitable[Any]) -> Any:
        """What the work returns; None where the peer fails, which is put down."""
        try:
            return await work
        except _FAILURES as exc:
            remark = str(exc).strip().splitlines()[0][:_REMARK]
            self._say(f"{peer.name}: {exc}")
            self._standings[peer.name] = msgspec.structs.replace(self._standings[peer.name], remark=remark)
            return None

    def _place(self, peer: Peer | Queue) -> Path:
        return self._folder / type(peer).__name__


def _first_standing(peer: Peer | Queue) -> Standing:
    durability = peer.durability if isinstance(peer, Queue) else "none"
    return Standing(name=peer.name, isolation=peer.isolation, durability=durability)


def main(
    *,
    only: Annotated[str, typer.Option(help="Names of peers, separated by commas; ours is always there.")] = "",
    seconds: Annotated[float, typer.Option(min=1, help="How long each cell is measured.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often all are measured, one after the other.")] = 5,
    jobs: Annotated[int, typer.Option(min=10, help="What the queues are given.")] = 3000,
    force: Annotated[bool, typer.Option("--force", help="Measure though the machine is busy.")] = False,
    write_docs: Annotated[bool, typer.Option("--write-docs", help="Write the tables of the docs.")] = False,
) -> None:
    """Install, measure, print, and keep the result in benchmarks/results."""
    console = Console(highlight=False, emoji=False, markup=False, width=_WIDTH)
    try:
        load = refuse_when_loaded(force=force)
        with tempfile.TemporaryDirectory(prefix="nanogrid-peers-") as folder:
            peers, queues = asyncio.run(_compare(Path(folder), console.print, only, seconds, rounds, jobs, force=force))
    except MachineBusy as exc:
        console.print(f"error: {exc}", style="red")
        raise typer.Exit(75) from exc
    peer_rows = [peer_row(peers[0], one, _CLIENTS) for one in peers]
    queue_rows = [queue_row(queues[0], one) for one in queues]
    console.print(terminal(peer_headings(_CLIENTS), peer_rows))
    console.print()
    console.print(terminal(QUEUE_HEADINGS, queue_rows))
    moment = datetime.now(UTC)
    command = " ".join(["python", "benchmarks/compare.py", *sys.argv[1:]])
    kept = {"measuredAt": moment, "command": command, "machine": describe(), "load": load, "forced": force}
    console.print(f"\nKept in {keep({**kept, 'peers': peers, 'queues': queues}, moment, prefix='peers-')}.")
    if write_docs:
        said = f"Measured {moment:%Y-%m-%d %H:%M} UTC with `{command}`, load average {load:.2f} before.\n"
        said += "**The machine was busy with other work (`--force`): no evidence.**\n" if force else ""
        tables = [markdown(peer_headings(_CLIENTS), peer_rows), markdown(QUEUE_HEADINGS, queue_rows)]
        write_between(_DOCS, "peers", "\n".join([said, *tables]))


async def _compare(
    folder: Path, say: Say, only: str, seconds: float, rounds: int, jobs: int, *, force: bool
) -> tuple[list[Standing], list[Standing]]:
    wanted = set(only.split(",")) if only else None
    peers, queues = Comparison(folder / "peers", say), Comparison(folder / "queues", say)
    for part in ("peers", "queues"):
        (folder / part).mkdir()
    peers_there = await peers.install([one for one in PEERS if one is PEERS[0] or not wanted or one.name in wanted])
    queues_there = await queues.install([one for one in QUEUES if one is QUEUES[0] or not wanted or one.name in wanted])
    generator = Generator(cpus=None, wrk=find_wrk())
    for _ in range(rounds):
        for peer in peers_there:
            refuse_when_shared(force=force)
            await peers.peer(peer, generator, seconds)
        for queue in queues_there:
            refuse_when_shared(force=force)
            await queues.queue(queue, jobs)
    return peers.standings(), queues.standings()


if __name__ == "__main__":
    typer.run(main)
