"""What was asked, what was promised, what was told: and the verdict over it, in the sets of Jepsen's total queue."""

from collections import Counter
from dataclasses import dataclass, field

from chaos.workload import right

ENDED = {"succeeded", "failed", "cancelled", "dead"}
#: What of an ended run never changes.
_FOREVER = ("status", "output", "error", "attempt", "endedAt")


@dataclass
class History:
    """Everything that the clients have seen."""

    #: Requests sent, by token: each may have been accepted unless it was refused.
    asked: Counter[str] = field(default_factory=Counter)
    #: Requests that the grid has refused, by token: they must leave nothing.
    refused: Counter[str] = field(default_factory=Counter)
    #: Tokens with an idempotency key: however often asked, one run.
    keyed: set[str] = field(default_factory=set)
    #: Run id -> token, of every run that the grid has answered for: by a 202, which must end.
    promised: dict[str, str] = field(default_factory=dict)
    #: Run id -> the first ended record that anybody was given.
    told: dict[str, dict] = field(default_factory=dict)

    def tell(self, record: dict) -> None:
        if record["status"] in ENDED:
            self.told.setdefault(record["runId"], record)

    def most_runs(self, token: str) -> int:
        """How many runs the token may have at most."""
        possible = self.asked[token] - self.refused[token]
        return min(possible, 1) if token in self.keyed else possible


@dataclass(frozen=True)
class Verdict:
    """Each is a list of tokens or run ids; the first five must be empty."""

    #: Promised, and never ended.
    lost: list[str]
    #: Ended, and never asked for.
    unexpected: list[str]
    #: Ended otherwise than the oracle says.
    wrong: list[str]
    #: Told to somebody with another outcome than it has now.
    changed: list[str]
    #: Nobody knows when: it was still queued or running when all had to be over.
    unfinished: list[str]
    #: Executed more often than asked for: what was in flight at a kill. Allowed, and counted.
    duplicated: list[str]
    #: Nobody heard that it was accepted, and it ended all the same. Allowed.
    recovered: list[str]
    promised: int
    ended: int
    executions: int

    @property
    def holds(self) -> bool:
        return not (self.lost or self.unexpected or self.wrong or self.changed or self.unfinished)

    def lines(self) -> list[str]:
        names = ("lost", "unexpected", "wrong", "changed", "unfinished", "duplicated", "recovered")
        counts = [f"{name:<12}{len(getattr(self, name)):>7}  {' '.join(getattr(self, name)[:3])}" for name in names]
        head = [f"{'promised':<12}{self.promised:>7}", f"{'ended':<12}{self.ended:>7}"]
        return [*head, f"{'executions':<12}{self.executions or 'not counted':>7}", *counts]


def judge(
    history: History, found: dict[str, dict], executions: Counter[str], *, may_be_killed: bool = False
) -> Verdict:
    """The verdict; `found` has every run that the grid knows in the end, in full, by id."""
    tokens = {run_id: record["input"]["token"] for run_id, record in found.items()}
    ended = {run_id: record for run_id, record in found.items() if record["status"] in ENDED}
    runs = Counter(tokens.values())
    answers = history.told | ended
    return Verdict(
        lost=sorted(history.promised.keys() - ended.keys()),
        unexpected=sorted(token for token, count in runs.items() if count > history.most_runs(token)),
        wrong=sorted(
            run_id
            for run_id, record in answers.items()
            if run_id in tokens and not right(record, tokens[run_id], may_be_killed=may_be_killed)
        ),
        changed=sorted(
            run_id
            for run_id, record in history.told.items()
            if run_id in found and any(record[name] != found[run_id][name] for name in _FOREVER)
        ),
        unfinished=sorted(found.keys() - ended.keys()),
        duplicated=sorted(token for token, count in executions.items() if count > max(1, runs[token])),
        recovered=sorted(ended.keys() - history.promised.keys() - history.told.keys()),
        promised=len(history.promised),
        ended=len(ended),
        executions=executions.total(),
    )
