"""What the pool's decisions are about: its sandboxes, where they stand, who waits for them, and what is to be done."""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from nanogrid.model import Function, Network, RunError
from nanogrid.ports import Claim, Sandbox
from nanogrid.sandbox.demand import Demand

#: Where a waiting caller gets its answer.
Answer = asyncio.Future[Claim | RunError]
#: What makes two spares alike.
Kind = tuple[str, Network]
#: What makes two loaded sandboxes alike: see `key_of`.
Key = tuple[str, int, datetime, int]


def key_of(function: Function) -> Key:
    """What tells the sandboxes of one version from all others.

    A number is not enough: a version that is tried before it is made may lose to another one of the same number, and a
    version may be given more memory than it was made with.
    """
    return function.function_id, function.version, function.updated_at, function.memory_mb


@dataclass(slots=True, eq=False)
class Resident:
    """One sandbox of the pool: a spare, importing, warm, busy (it has a claim), or ended."""

    sandbox: Sandbox
    #: What it counts in the budget.
    mb: float
    #: Whose code is in it, or on the way into it; None for a spare.
    shelf: "Shelf | None" = None
    claim: Claim | None = None
    #: On the clock; only meaningful while it is warm.
    idle_since: float = 0.0
    #: Whether its end is decided; it may still be dying.
    ended: bool = False


@dataclass(slots=True, eq=False)
class Quota:
    """How many runs of one function, all versions together, may go on at once."""

    #: As the newest version has it; 0 means no limit.
    limit: int = 0
    newest: int = 0
    busy: int = 0
    #: Sandboxes on the way to a version of this function.
    providing: int = 0
    shelves: list["Shelf"] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether no further run may begin."""
        return self.limit != 0 and self.busy >= self.limit

    @property
    def spoken_for(self) -> bool:
        """Whether what runs and what is on the way use it up."""
        return self.limit != 0 and self.busy + self.providing >= self.limit


@dataclass(slots=True, eq=False)
class Shelf:
    """One version of one function: its sandboxes, and who waits for one."""

    function: Function
    quota: Quota
    ttl_s: float
    #: Warm, the latest used last: it is taken first, its memory is still in the caches.
    idle: deque[Resident] = field(default_factory=deque)
    #: First come, first served.
    waiters: deque[Answer] = field(default_factory=deque)
    #: Sandboxes on the way to here.
    providing: int = 0
    #: Sandboxes with this version in them: importing, warm or busy.
    residents: int = 0
    #: Since when it has queued for a new sandbox; None while it doesn't.
    hungry_since: float | None = None

    @property
    def kind(self) -> Kind:
        """The spares that its sandboxes are made of."""
        return (self.function.runtime, self.function.network)

    @property
    def lacks(self) -> bool:
        """Whether somebody waits for whom nothing is on the way, though something might be."""
        return len(self.waiters) > self.providing and not self.quota.spoken_for

    @property
    def outdated(self) -> bool:
        """Whether a newer version has been called."""
        return self.function.version < self.quota.newest

    @property
    def empty(self) -> bool:
        """Whether nothing would be lost with it."""
        return not (self.residents or self.waiters or self.providing)


@dataclass(slots=True, eq=False)
class Stock:
    """The spares of one kind."""

    kind: Kind
    #: Kept whether or not anybody calls for it.
    always: bool = False
    spares: deque[Resident] = field(default_factory=deque)
    starting: int = 0
    called_for_at: float = -math.inf
    demand: Demand = field(default_factory=Demand)
    #: No refill before, after one has failed.
    paused_until: float = -math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Provide:
    """To do: bring a sandbox onto a shelf, from a spare, or from a new one once the victims are gone."""

    shelf: Shelf
    spare: Resident | None
    victims: list[Resident]


@dataclass(frozen=True, slots=True, eq=False)
class Refill:
    """To do: start one more spare."""

    stock: Stock


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """To do: kill a sandbox, and report that it is gone."""

    resident: Resident


Step = Provide | Refill | End
