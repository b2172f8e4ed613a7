"""An Auto Scaling group whose instances are processes of this machine.

It keeps AWS's rules as far as a worker can tell: the lifecycle hook holds a terminating instance until its worker says
that it is done, or until the hook's time is over; instances that protect themselves are not chosen; one that dies is
replaced; capacity stays between its bounds.

    InService -> Terminating:Wait -> Terminating:Proceed -> Terminated
        |                                                       ^
        +------------------- its process died ------------------+
"""

import asyncio
import enum
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from nanogrid.clock import Clock
from nanogrid.model import Record

#: From one look at the instances to the next, in seconds.
_LOOK_S = 0.1
#: How long an instance has for shutting down before it is switched off, in seconds.
_SHUTDOWN_S = 20.0


class State(enum.StrEnum):
    """Where an instance stands in its life."""

    IN_SERVICE = "InService"
    WAITING = "Terminating:Wait"
    PROCEEDING = "Terminating:Proceed"
    TERMINATED = "Terminated"


class What(enum.StrEnum):
    """What happened to an instance."""

    LAUNCHED = "launched"
    CHOSEN = "chosen for scale-in"
    COMPLETED = "drained"
    TIMED_OUT = "hook timed out"
    TERMINATED = "terminated"
    DIED = "died"


class Happening(Record, frozen=True):
    """One event in the life of one instance; `at` is the clock's monotonic time."""

    at: float
    instance_id: str
    what: What


class Process(Protocol):
    """What runs on an instance."""

    async def wait(self) -> int:
        """Return when it has ended."""

    def kill(self) -> None:
        """End it. Idempotent."""


#: Starts the worker of the instance with this id.
Launch = Callable[[str], Awaitable[Process]]


class Member:
    """One instance."""

    def __init__(self, instance_id: str, process: Process) -> None:
        """It is in service from the start."""
        self.instance_id = instance_id
        self.process = process
        self.state = State.IN_SERVICE
        self.protected = False
        #: When its present state lasts no longer, by the clock.
        self.until = 0.0
        #: What a spot instance is told, and for when.
        self.spot_notice: datetime | None = None
        self.ended = asyncio.ensure_future(process.wait())


class Group:
    """The group. Start it by `run`, in a task."""

    def __init__(
        self,
        launch: Launch,
        clock: Clock,
        tell: Callable[[Happening], None],
        *,
        low: int = 1,
        high: int = 5,
        hook_s: float = 300.0,
    ) -> None:
        """Between `low` and `high` instances; the hook waits `hook_s` seconds for each heartbeat."""
        self._launch = launch
        self._clock = clock
        self._tell = tell
        self._low = low
        self._high = high
        self._hook_s = hook_s
        self.desired = low
        self.members: dict[str, Member] = {}

    async def run(self) -> None:
        """Keep the group as it should be, until cancelled; then every instance is ended."""
        try:
            while True:
                await self._look()
                await self._clock.sleep(_LOOK_S)
        finally:
            for member in self.members.values():
                member.process.kill()
            await asyncio.gather(*(member.ended for member in self.members.values()), return_exceptions=True)

    @property
    def in_service(self) -> list[Member]:
        """The instances that count, oldest first."""
        return [member for member in self.members.values() if member.state is State.IN_SERVICE]

    def change(self, by: int) -> None:
        """Change the desired capacity, as a scaling policy does."""
        self.desired = max(self._low, min(self._high, self.desired + by))

    def complete(self, instance_id: str) -> bool:
        """The worker is done; False where no hook waits for it."""
        member = self._waiting(instance_id)
        if member is None:
            return False
        self._move(member, State.PROCEEDING, What.COMPLETED, _SHUTDOWN_S)
        return True

    def keep_waiting(self, instance_id: str) -> bool:
        """The worker needs longer; False where no hook waits for it."""
        member = self._waiting(instance_id)
        if member is None:
            return False
        member.until = self._clock.monotonic() + self._hook_s
        return True

    def protect(self, instance_id: str, *, protected: bool) -> bool:
        """Whether scale-in may choose it; False where it is not in service."""
        member = self.members.get(instance_id)
        if member is None or member.state is not State.IN_SERVICE:
            return False
        member.protected = protected
        return True

    async def _look(self) -> None:
        for member in list(self.members.values()):
            self._look_after(member)
        while len(self.in_service) < self.desired:
            await self._add()
        self._take_out(len(self.in_service) - self.desired)

    def _look_after(self, member: Member) -> None:
        over = self._clock.monotonic() >= member.until
        if member.state is State.WAITING and over:
            self._move(member, State.PROCEEDING, What.TIMED_OUT, 0.0)
        elif member.state is State.PROCEEDING and over:
            member.process.kill()
        if not member.ended.done() or member.state is State.TERMINATED:
            return
        if member.state is State.IN_SERVICE:
            self._move(member, State.TERMINATED, What.DIED)
        elif member.state is State.PROCEEDING:
            self._move(member, State.TERMINATED, What.TERMINATED)

    async def _add(self) -> None:
        instance_id = f"i-{secrets.token_hex(9)[:17]}"
        self.members[instance_id] = Member(instance_id, await self._launch(instance_id))
        self._tell(Happening(self._clock.monotonic(), instance_id, What.LAUNCHED))

    def _take_out(self, surplus: int) -> None:
        """Oldest first, as the default termination policy does; who protects himself stays."""
        for member in [member for member in self.in_service if not member.protected][: max(0, surplus)]:
            self._move(member, State.WAITING, What.CHOSEN, self._hook_s)

    def _waiting(self, instance_id: str) -> Member | None:
        member = self.members.get(instance_id)
        return member if member is not None and member.state is State.WAITING else None

    def _move(self, member: Member, state: State, what: What, lasting_s: float = 0.0) -> None:
        member.state = state
        member.until = self._clock.monotonic() + lasting_s
        self._tell(Happening(self._clock.monotonic(), member.instance_id, what))
