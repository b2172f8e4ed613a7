"""W1 to W11: what each asks of a grid. Each is called once in a round and gives its rows."""

from collections.abc import AsyncIterator, Callable

from instrument.bench import Bench
from instrument.rows import Row
from instrument.workloads.cold import burst, cold
from instrument.workloads.density import density
from instrument.workloads.growth import growth
from instrument.workloads.queue import queue
from instrument.workloads.tail import noisy_neighbour, tail
from instrument.workloads.warm import compute, echo, no_op, sleepers

Workload = Callable[[Bench], AsyncIterator[Row]]

WORKLOADS: dict[str, Workload] = {
    "W1": no_op,
    "W2": echo,
    "W3": compute,
    "W4": sleepers,
    "W5": cold,
    "W6": burst,
    "W7": queue,
    "W8": density,
    "W9": tail,
    "W10": noisy_neighbour,
    "W11": growth,
}
