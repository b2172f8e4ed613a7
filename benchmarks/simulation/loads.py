"""What people send: arrival times, in seconds from the start, drawn from a seeded source of chance."""

import math
import random
from collections.abc import Callable, Iterator

#: Runs a second, at that second.
Rate = Callable[[float], float]


def steady(rate: float) -> Rate:
    """The same all the time."""
    return lambda _: rate


def step(before: float, after: float, *, at_s: float) -> Rate:
    """From one rate to another at once."""
    return lambda now: before if now < at_s else after


def pulse(base: float, height: float, *, at_s: float, for_s: float) -> Rate:
    """A burst: from the base up for a while, and back."""
    return lambda now: height if at_s <= now < at_s + for_s else base


def day(low: float, high: float, *, length_s: float) -> Rate:
    """A day: from low at night to high at noon and back."""
    return lambda now: low + (high - low) * (1 - math.cos(2 * math.pi * now / length_s)) / 2


def arrivals(rate: Rate, *, most: float, until_s: float, chance: random.Random) -> Iterator[float]:
    """A Poisson process of that rate, thinned from one of the rate `most`, which it never exceeds."""
    now = 0.0
    while (now := now + chance.expovariate(most)) < until_s:
        if chance.random() * most < rate(now):
            yield now


def service(mean_s: float, *, chance: random.Random) -> Iterator[float]:
    """How long each run takes, in seconds: an exponential distribution."""
    while True:
        yield chance.expovariate(1 / mean_s)
