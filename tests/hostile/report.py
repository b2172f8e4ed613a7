"""Attacks a grid of each kind with every probe and writes what came of it into `docs/security.md`.

Run from anywhere: `python tests/hostile/report.py`. Exits with 1 where a probe went through.
"""

import sys
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from arena import Verdict, arena
from catalogue import Probe, probes

from nanogrid.sandbox.seccomp_policy import CONDITIONS, REFUSED

DRIVERS = ("bubblewrap", "docker")
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
Results = dict[str, list[tuple[Probe, Verdict]]]


def main() -> int:
    results = {driver: attack_all(driver) for driver in DRIVERS}
    text = PAGE.read_text()
    for name, table in (("probes", probe_table(results)), ("system calls", call_table())):
        text = replaced(text, name, table)
    PAGE.write_text(text)
    holes = [
        f"{driver}: {probe.name}: {hole}"
        for driver, fought in results.items()
        for probe, verdict in fought
        for hole in (*verdict.cold, *(verdict.warm or []))
    ]
    sys.stdout.write("\n".join([*holes, f"{len(holes)} holes; {PAGE} is written.\n"]))
    return bool(holes)


def attack_all(driver: str) -> list[tuple[Probe, Verdict]]:
    with arena(driver) as under_attack:
        return [(probe, under_attack.attack(probe)) for probe in probes()]


def replaced(text: str, name: str, table: str) -> str:
    """The page with another table between the two comments that name it."""
    begin, end = f"<!-- {name}: written by tests/hostile/report.py -->\n", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{table}\n{end}{after}"


def probe_table(results: Results) -> str:
    """One row for each probe, all variants of it together; a column for cold and warm of each driver."""
    header = " | ".join(f"{driver}, cold | warm" for driver in results)
    lines = [f"| | tries | {header} |", "|--:|---|" + "---|---|" * len(results)]
    category = ""
    for number, variants in groupby(probes(), key=lambda probe: probe.number):
        first = next(variants)
        if first.category != category:
            category = first.category
            lines.append(f"| | **{category}** |" + " | |" * len(results))
        cells = " | ".join(_cells(fought, number) for fought in results.values())
        lines.append(f"| {number} | {first.title} | {cells} |")
    return "\n".join(lines) + "\n"


def _cells(fought: list[tuple[Probe, Verdict]], number: int) -> str:
    verdicts = [verdict for probe, verdict in fought if probe.number == number]
    cold = any(verdict.cold for verdict in verdicts)
    if all(verdict.warm is None for verdict in verdicts):
        return f"{_word(cold)} | -"
    return f"{_word(cold)} | {_word(any(verdict.warm for verdict in verdicts))}"


def _word(hole: bool) -> str:
    return "**HOLE**" if hole else "held"


def call_table() -> str:
    """The filter's policy, as the sandboxes use it."""
    lines = ["| refused because it | with | calls |", "|---|---|---|"]
    answers = {1: "EPERM", 38: "ENOSYS", 0: "success, without doing anything"}
    lines += [
        f"| {refusal.why} | {answers[refusal.error]} | {' '.join(f'`{name}`' for name in refusal.names.split())} |"
        for refusal in REFUSED
    ]
    lines += [f"| allows only: {condition.why} | EPERM | `{name}` |" for name, condition in CONDITIONS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
