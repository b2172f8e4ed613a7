"""Which fault comes when: drawn from a seed, written down, and played again from what was written."""

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

#: Between two faults, in seconds.
GAP_S = (0.5, 3.0)


class Fault(msgspec.Struct, frozen=True):
    """One fault: so many seconds after the one before had healed."""

    after_s: float
    kind: str
    #: How strong it is, from 0 to 1: each kind makes of it what it needs, such as how long something stands still.
    strength: float


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to do the same again."""

    backend: str
    sandbox: str
    seed: int
    tasks: int
    kinds: list[str]
    faults: list[Fault]


def drawn(seed: int, kinds: Sequence[str], gap_s: tuple[float, float] = GAP_S) -> Iterator[Fault]:
    """Faults without end, the same for the same seed; every kind comes before one comes again."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    for _ in itertools.count():
        for kind in dice.sample(list(kinds), len(kinds)):
            yield Fault(round(dice.uniform(*gap_s), 3), kind, round(dice.random(), 3))


def write(path: Path, replay: Replay) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(replay), indent=1))


def read(path: Path) -> Replay:
    return msgspec.json.decode(path.read_bytes(), type=Replay)
