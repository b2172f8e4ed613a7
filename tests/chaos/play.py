"""Plays a campaign against a grid that it starts itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from chaos.aws import aws_system
from chaos.campaign import Campaign, Size, campaign
from chaos.local import local_system
from chaos.schedule import Replay, drawn
from chaos.system import System

Say = Callable[[str], None]
#: What needs nothing but this machine; the others are asked for by name: jump-clock, fill-disk, skew-worker.
USUAL = {
    "local": "kill-server,freeze-server,stop-server,kill-sandbox,freeze-sandbox,cut-network,slow-network,"
    "half-open-network,copy-database",
    "aws": "kill-worker,freeze-worker,stop-worker,kill-sandbox,restart-redis,flush-redis,cut-redis,slow-redis,"
    "half-open-redis,throttle-sqs,double-sqs,throttle-dynamo,lose-answers",
}


def opened(backend: str, sandbox: str, kinds: list[str]) -> AbstractAsyncContextManager[System]:
    """A started grid on that backend, ready for these kinds of harm."""
    return aws_system(sandbox) if backend == "aws" else local_system(sandbox, kinds=set(kinds))


async def play(plan: Replay, say: Say, *, gap_s: tuple[float, float], count: int = 0, again: bool = False) -> Campaign:
    """Play the plan; with `again` exactly its faults, else as many as it takes, and `count` at least."""
    faults = plan.faults if again else drawn(plan.seed, plan.kinds, gap_s)
    size = Size(plan.tasks, len(plan.faults) if again else count)
    say(f"seed {plan.seed}: {plan.tasks} tasks, {plan.backend}, {plan.sandbox}; {', '.join(plan.kinds)}")
    async with opened(plan.backend, plan.sandbox, plan.kinds) as system:
        fought = await campaign(system, size, plan.seed, faults, say)
    verdict = fought.verdict
    say("\n".join(verdict.lines()))
    say(f"{len(fought.faults)} faults in {fought.seconds:.0f} s: {'held' if verdict.holds else 'BROKEN'}")
    return fought
