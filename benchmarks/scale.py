"""How the AWS form grows: what each rate of runs asks of each service, what bends first, and what it costs.

    python benchmarks/scale.py [--write docs/scale.md]

Arithmetic, not measurement: every number that it starts from stands below with where it comes from.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from nanogrid.backends.aws.tables import SHARDS
from nanogrid.cloud.deployment.prices import Usage, estimate

BEGIN, END = "<!-- growth: written by benchmarks/scale.py -->\n", "<!-- end of growth -->"
RATES = [10**power for power in range(7)]
SECONDS_A_MONTH = 30 * 86_400

#: The run that is counted with: plain and synchronous, 100 ms long, 10 ms of it on a processor.
WAIT_S = 0.15  # 100 ms in the function, 50 ms on the way there and back
WORKER_CPU_S = 0.012  # the function's, and 2 ms of worker, engine and clients
WORKER_CPUS = 2  # t3.medium
#: Writes that a run makes: item and four listings, three times (accept, start, finish), a kilobyte at most each time.
WRITES = 15
#: The most of them that fall on one partition: one run's entries by time and by status share the listing's key.
WRITES_ON_A_LISTING = 6
REDIS_COMMANDS = 5  # subscribe, set, publish, get, unsubscribe


@dataclass(frozen=True)
class Limit:
    """What bends: how much one run a second asks of it, how much it gives, and what to do."""

    name: str
    each: float
    gives: float
    cure: str

    @property
    def rate(self) -> float:
        """Runs a second up to which it holds."""
        return self.gives / self.each


LIMITS = [
    Limit("five workers", WORKER_CPU_S / WORKER_CPUS, 5, "raise the group's `MaxSize`, or larger workers"),
    Limit(
        f"a tenant's listing in {SHARDS} partitions",
        WRITES_ON_A_LISTING / SHARDS,
        1000,
        "raise `SHARDS` (to 32: eight times as much)",
    ),
    Limit("DynamoDB, writes to one table", WRITES, 40_000, "ask for more; then a table for each cell"),
    Limit("Lambda, 1,000 at once", WAIT_S, 1000, "ask for more; asynchronous runs wait for nothing"),
    Limit("API Gateway, 10,000 a second", 1, 10_000, "ask for more; then an API for each cell"),
    Limit("one Redis node, about 100,000 commands a second", REDIS_COMMANDS, 100_000, "a larger node, then shards"),
    Limit("SQS, 120,000 in flight", WAIT_S, 120_000, "a queue for each cell"),
]


def workers(rate: float) -> int:
    """How many workers the rate needs, four fifths busy."""
    return max(1, math.ceil(rate * WORKER_CPU_S / WORKER_CPUS / 0.8))


def dollars(rate: float) -> float:
    """List price of a month, in US dollars."""
    usage = Usage(runs_a_day=round(rate * 86_400), workers=workers(rate), nat_gb=10 + rate / 10)
    return sum(line.dollars for line in estimate("t3.medium", "cache.t4g.small", usage))


def bends(rate: float) -> str:
    """What does not hold any more at this rate, the weakest first."""
    beyond = sorted((limit for limit in LIMITS if limit.rate < rate), key=lambda limit: limit.rate)
    return ", ".join(limit.name.split(",")[0] for limit in beyond) or "nothing"


def table() -> str:
    """The growth by powers of ten, then the limits by where they bend."""
    heads = ["runs a second", "Lambdas at once", "table writes a second", "Redis commands", "workers", "a month"]
    heads += ["for a million runs", "beyond its limit"]
    lines = [f"| {' | '.join(heads)} |", "|--:|--:|--:|--:|--:|--:|--:|---|"]
    for rate in RATES:
        month = dollars(rate)
        million = month / (rate * SECONDS_A_MONTH) * 1e6
        lines.append(
            f"| {rate:,} | {max(1, math.ceil(rate * WAIT_S)):,} | {rate * WRITES:,} | {rate * REDIS_COMMANDS:,} "
            f"| {workers(rate):,} | ${month:,.0f} | ${million:,.2f} | {bends(rate)} |"
        )
    lines += ["", "| what bends | at runs a second | what to do |", "|---|--:|---|"]
    for limit in sorted(LIMITS, key=lambda limit: limit.rate):
        lines.append(f"| {limit.name} | {limit.rate:,.0f} | {limit.cure} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables, and write them into the page where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="page whose table is to be replaced")
    page = parser.parse_args().write
    print(table())
    if page:
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
