"""`make chaos`: one campaign, its timeline and its verdict; exits with 1 where a promise was broken.

A failure leaves a file that plays the same again: `make chaos REPLAY=that-file`.
"""

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.campaign import Campaign, Size, campaign
from chaos.local import local_system
from chaos.schedule import GAP_S, Replay, drawn, read, write

#: What needs nothing but this machine; the others are asked for by name.
USUAL = ["kill-server", "freeze-server", "kill-sandbox", "freeze-sandbox", "cut-network", "slow-network"]
USUAL += ["half-open-network", "copy-database", "stop-server"]


def main() -> int:
    options = _options()
    replay = read(options.replay) if options.replay else None
    seed = replay.seed if replay else options.seed
    kinds = replay.kinds if replay else options.faults.split(",")
    sandbox = replay.sandbox if replay else options.sandbox
    size = Size(replay.tasks, len(replay.faults)) if replay else Size(options.tasks, options.count)
    faults = replay.faults if replay else drawn(seed, kinds, tuple(map(float, options.gap.split(","))))
    _say(f"seed {seed}, {size.tasks} tasks, sandbox {sandbox}, faults {', '.join(kinds)}")

    async def play() -> Campaign:
        async with local_system(sandbox, kinds=set(kinds)) as system:
            return await campaign(system, size, seed, faults, _say)

    fought = asyncio.run(play())
    _say("\n".join(fought.verdict.lines()))
    said = "held" if fought.verdict.holds else "BROKEN"
    _say(f"{len(fought.faults)} faults in {fought.seconds:.0f} s, seed {seed}: {said}")
    if fought.verdict.holds:
        return 0
    file = Path("chaos-failures") / f"seed-{seed}.json"
    write(
        file, Replay(backend="local", sandbox=sandbox, seed=seed, tasks=size.tasks, kinds=kinds, faults=fought.faults)
    )
    _say(f"again: make chaos REPLAY={file}")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000, help="how many to ask for, at least")
    parser.add_argument("--count", type=int, default=0, help="how many faults, at least")
    parser.add_argument("--faults", default=",".join(USUAL), help="which kinds, with commas")
    parser.add_argument("--gap", default=",".join(map(str, GAP_S)), help="seconds between faults, from and to")
    parser.add_argument(
        "--sandbox", default="bubblewrap", help="bubblewrap, docker, or process, which counts executions"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--replay", type=Path, default=os.environ.get("REPLAY"), help="a file that a failure left")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
