"""What the AWS form does under a load: backlog and workers over time, for the stack's two alarms and other policies.

    python benchmarks/simulate.py [--rehearsal rehearsal.json] [--svg docs/images] [--write docs/scale.md]

With the report of a rehearsal (`nanogrid aws rehearse --json rehearsal.json`) it also plays that rehearsal's burst, and
sets what it says beside what was seen. Everything is drawn from a seed: the same call gives the same story.
"""

import argparse
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import msgspec
from simulation import loads, picture, rehearsed
from simulation.grid import Simulation, Story, World
from simulation.policies import Plan, by_steps, keeping_up, one_by_one, stay, within

from nanogrid.cloud.rehearsal.report import Report

HOUR = 3600.0
SIMULATION, REHEARSAL = "simulation", "simulated rehearsal"


@dataclass(frozen=True)
class Load:
    """A load with a name; its rate never exceeds `most`."""

    name: str
    rate: loads.Rate
    most: float
    until_s: float


LOADS = {
    "burst": Load("500 runs a second for five minutes", loads.pulse(1, 500, at_s=300, for_s=300), 500, HOUR / 2),
    "step": Load("from 10 to 150 runs a second at once", loads.step(10, 150, at_s=600), 150, HOUR),
    "day": Load(
        "a day between 5 and 200 runs a second, in four hours", loads.day(5, 200, length_s=4 * HOUR), 200, 4 * HOUR
    ),
}
PLANS = (
    Plan("+1 / -1 (the stack)", one_by_one()),
    Plan("steps: +1, +2, +4", by_steps()),
    Plan("backlog within 60 s", within(60)),
    Plan("what comes, and backlog", keeping_up(60)),
    Plan("always five", stay, fewest=5),
)


def tell(load: Load, world: World, plan: Plan, seed: int) -> Story:
    """The story of a load under a plan."""
    coming, service = random.Random(seed), random.Random(seed + 1)  # noqa: S311 - chance, no secret
    arrivals = loads.arrivals(load.rate, most=load.most, until_s=load.until_s, chance=coming)
    kept = replace(world, fewest=plan.fewest or world.fewest)
    return Simulation(kept, plan.policy, arrivals, loads.service(kept.service_s, chance=service)).run()


def table(stories: dict[str, dict[str, Story]]) -> str:
    """Every load under every policy."""
    lines = ["| load | policy | wait p50 | p99 | most waiting | worker hours |", "|---|---|--:|--:|--:|--:|"]
    for name, told in stories.items():
        for policy, story in told.items():
            most = max(moment.backlog for moment in story.moments)
            lines.append(
                f"| {LOADS[name].name} | {policy} | {story.wait(0.5):,.1f} s | {story.wait(0.99):,.1f} s "
                f"| {most:,} | {story.worker_seconds / 3600:,.2f} |"
            )
    return "\n".join(lines) + "\n"


def written(page: str, name: str, body: str) -> str:
    """The page with its part of this name replaced."""
    begin, end = f"<!-- {name}: written by benchmarks/simulate.py -->\n", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{body}\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Tell every load under every policy, and what a rehearsal saw beside what the simulation says of it."""
    arguments = _arguments()
    stories = {
        name: {plan.name: tell(load, World(), plan, arguments.seed) for plan in PLANS} for name, load in LOADS.items()
    }
    parts = {SIMULATION: table(stories)}
    if arguments.rehearsal:
        parts[REHEARSAL] = rehearsed.table(msgspec.json.decode(arguments.rehearsal.read_bytes(), type=Report))
    print("\n".join(parts.values()))
    for name, told in stories.items():
        if arguments.svg:
            (arguments.svg / f"simulation-{name}.svg").write_text(picture.draw(told, LOADS[name].name.capitalize()))
    for name, body in parts.items():
        if arguments.write:
            arguments.write.write_text(written(arguments.write.read_text(), name, body))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rehearsal", type=Path, help="the JSON report of `nanogrid aws rehearse`")
    parser.add_argument("--svg", type=Path, help="folder for the pictures")
    parser.add_argument("--write", type=Path, help="page whose table is to be replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
