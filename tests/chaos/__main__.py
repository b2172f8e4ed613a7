"""`make chaos`: one campaign, its timeline and its verdict; exits with 1 where a promise was broken.

A failure leaves a file that plays the same again: `make chaos REPLAY=that-file`.
"""

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.play import USUAL, play
from chaos.schedule import GAP_S, Replay, read, write


def main() -> int:
    options = _options()
    plan = read(options.replay) if options.replay else _plan(options)
    again = bool(options.replay)
    fought = asyncio.run(play(plan, _say, gap_s=_gap(options.gap), count=options.count, again=again))
    if fought.verdict.holds:
        return 0
    file = Path("chaos-failures") / f"seed-{plan.seed}.json"
    write(file, msgspec.structs.replace(plan, faults=fought.faults))
    _say(f"again: make chaos REPLAY={file}")
    return 1


def _plan(options: argparse.Namespace) -> Replay:
    return Replay(
        backend=options.backend,
        sandbox=options.sandbox,
        seed=options.seed,
        tasks=options.tasks,
        kinds=(options.faults or USUAL[options.backend]).split(","),
        faults=[],
    )


def _gap(text: str) -> tuple[float, float]:
    least, _, most = text.partition(",")
    return float(least), float(most or least)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--backend", default="local", choices=USUAL)
    parser.add_argument("--tasks", type=int, default=1000, help="how many the grid accepts, at least")
    parser.add_argument("--count", type=int, default=0, help="how many faults, at least")
    parser.add_argument("--faults", help="which kinds, with commas; the usual ones if not given")
    parser.add_argument("--gap", default=",".join(map(str, GAP_S)), help="seconds between faults, from and to")
    parser.add_argument("--sandbox", default="bubblewrap", help="bubblewrap, or process, which counts executions")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--replay", type=Path, default=os.environ.get("REPLAY"), help="a file that a failure left")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
