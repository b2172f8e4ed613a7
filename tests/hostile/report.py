"""Attacks a grid of each kind with every probe, lets runs go wrong in every way, and writes what came of it into
`docs/security.md`.

Run from anywhere: `python tests/hostile/report.py`. Exits with 1 where a probe went through.
"""

import sys
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from arena import Verdict, arena
from catalogue import Probe, probes
from endings import ENDINGS, Ended, Ending, end

from nanogrid.sandbox.seccomp_policy import CONDITIONS, REFUSED

DRIVERS = ("bubblewrap", "docker")
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
Results = dict[str, list[tuple[Probe, Verdict]]]
Ends = dict[str, list[tuple[Ending, Ended]]]


def main() -> int:
    results, ends = {}, {}
    for driver in DRIVERS:
        with arena(driver) as under_attack:
            results[driver] = [(probe, under_attack.attack(probe)) for probe in probes()]
            ends[driver] = [(ending, end(under_attack, ending)) for ending in ENDINGS]
    text = PAGE.read_text()
    tables = {"probes": probe_table(results), "endings": ending_table(ends), "system calls": call_table()}
    for name, table in tables.items():
        text = replaced(text, name, table)
    PAGE.write_text(text)
    holes = [*_holes(results), *_faults(ends)]
    sys.stdout.write("\n".join([*holes, f"{len(holes)} holes; {PAGE} is written.\n"]))
    return bool(holes)


def _holes(results: Results) -> list[str]:
    return [
        f"{driver}: {probe.name}: {hole}"
        for driver, fought in results.items()
        for probe, verdict in fought
        for hole in (*verdict.cold, *(verdict.warm or []))
    ]


def _faults(ends: Ends) -> list[str]:
    return [
        f"{driver}: {ending.what}: {fault}"
        for driver, ended in ends.items()
        for ending, how in ended
        for fault in how.faults(ending)
    ]


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


def ending_table(ends: Ends) -> str:
    """One row for each ending: its kind, how soon it has to come, and how soon it came on each driver."""
    lines = [f"| a run with | ends as | within | {' | '.join(ends)} |", "|---|---|--:|" + "--:|" * len(ends)]
    for number, ending in enumerate(ENDINGS):
        within = f"{ending.within_ms:,.0f} ms" + (" past its limit" if ending.timed else "")
        cells = " | ".join(_took(ending, ended[number][1]) for ended in ends.values())
        lines.append(f"| {ending.what} | `{ending.kind}` | {within} | {cells} |")
    return "\n".join(lines) + "\n"


def _took(ending: Ending, ended: Ended) -> str:
    if ended.faults(ending):
        return "**WRONG END**"
    late = " **late**" if ended.after_ms > ending.within_ms else ""
    return f"{ended.after_ms:,.0f} ms{late}"


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
