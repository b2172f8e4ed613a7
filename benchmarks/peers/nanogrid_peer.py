"""NanoGrid itself, measured as its peers are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from instrument.bench import NO_OP_ANSWER, deploy
from instrument.generator import Generator
from instrument.started import started_grid
from instrument.workloads.queue import accept, ended, from_acceptance, missing

from nanogrid import __version__
from nanogrid.cli.load import Target
from peers.peer import EVENT, HANDLER, Drained, Peer, Queue

_WARM_UP = 100
_SINGLES = 100
NAME = "NanoGrid"
_ISOLATION = "namespaces + seccomp"


class NanoGrid(Peer):
    """As it is by default: isolation, authentication, logs and history are on."""

    name = NAME
    isolation = _ISOLATION

    async def install(self, folder: Path) -> str:
        """It is there."""
        return __version__

    @asynccontextmanager
    async def started(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[Target]:
        """See `Peer`."""
        async with started_grid(cpus=cpus) as grid:
            await deploy(grid, "noop", HANDLER)
            yield grid.target("noop", EVENT, expect=NO_OP_ANSWER)


class NanoGridQueue(Queue):
    """Asynchronous runs, over HTTP, each promise on disk before it is given."""

    name = NAME
    isolation = _ISOLATION
    durability = "group commit, fsync"

    async def install(self, folder: Path) -> str:
        """It is there."""
        return __version__

    async def drain(self, folder: Path, jobs: int, cpus: frozenset[int] | None) -> Drained:
        """See `Queue`."""
        generator = Generator(cpus=None, wrk=None)
        async with started_grid(cpus=cpus) as grid:
            await deploy(grid, "noop", HANDLER)
            await generator.listed([grid.target("noop")] * _WARM_UP, clients=8)
            accepted = await accept(generator, grid, jobs)
            runs = await ended(grid)
            drained = from_acceptance(runs, wrong=missing(runs, jobs))
            async with grid.client as client:
                for _ in range(_SINGLES):
                    await (await client.submit("noop", {})).result()
            singles = (await ended(grid))[:_SINGLES]
        taken = [(run.ended_at - run.created_at).total_seconds() * 1e6 for run in singles if run.ended_at]
        return Drained(
            enqueued_rate=accepted.rate, drained_rate=drained.rate, p50_us=median(taken), wrong=drained.wrong
        )
