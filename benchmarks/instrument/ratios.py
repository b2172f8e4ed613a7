"""How many times one is another, over rounds: geometric mean, and how sure that is."""

import random
from collections.abc import Sequence
from math import exp, log
from statistics import fmean

from nanogrid.model import Record

_RESAMPLES = 2000
_TAIL = 0.025


class Ratio(Record, frozen=True, kw_only=True):
    """A geometric mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ratio(above: Sequence[float], below: Sequence[float], *, seed: int = 1) -> Ratio:
    """Round by round `above / below`, both of the same round; the interval is bootstrapped, and repeatable."""
    logs = [log(a / b) for a, b in zip(above, below, strict=True)]
    picks = random.Random(seed)  # noqa: S311 - repeatable, not secret
    means = sorted(fmean(picks.choices(logs, k=len(logs))) for _ in range(_RESAMPLES))
    low, high = means[int(_RESAMPLES * _TAIL)], means[int(_RESAMPLES * (1 - _TAIL)) - 1]
    return Ratio(mean=exp(fmean(logs)), low=exp(low), high=exp(high))
