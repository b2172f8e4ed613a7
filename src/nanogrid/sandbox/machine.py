"""What every cell of this machine stands on: a workspace, users, control groups, limits and the thread that starts."""

import heapq
import itertools
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path

from nanogrid.clock import Clock
from nanogrid.sandbox import processes
from nanogrid.sandbox.cgroups import Cgroup, Cgroups, CgroupUnavailable, open_cgroups
from nanogrid.sandbox.identities import Identities, claim_identities
from nanogrid.sandbox.limits import Limits
from nanogrid.sandbox.memory_watch import MemoryWatch
from nanogrid.sandbox.spawner import Spawner
from nanogrid.sandbox.workspace import Workspace, open_workspace

_RUNTIMES = Path(__file__).parent.parent / "runtimes"
#: How often, 10 ms apart, a sweep tries to end what a crashed grid left.
_SWEEP_ROUNDS = 100


class Numbers:
    """Gives out the lowest free number."""

    def __init__(self) -> None:
        """All are free."""
        self._next = itertools.count()
        self._free: list[int] = []

    def take(self) -> int:
        """A number that nobody has. From any thread: what is free now may be taken a moment later."""
        try:
            return heapq.heappop(self._free)
        except IndexError:
            return next(self._next)

    def give_back(self, number: int) -> None:
        """It may be given out again."""
        heapq.heappush(self._free, number)


class Machine:
    """Owned by one driver, which closes it."""

    def __init__(
        self,
        workspace: Workspace,
        identities: Identities,
        cgroups: Cgroups | CgroupUnavailable,
        spawner: Spawner,
        memory_watch: MemoryWatch,
        *,
        limits: Limits,
        runtimes: Path = _RUNTIMES,
    ) -> None:
        """`runtimes` holds the programs that start inside."""
        self.workspace = workspace
        self.identities = identities
        self.cgroups = cgroups
        self.spawner = spawner
        self.memory_watch = memory_watch
        self.limits = limits
        self.numbers = Numbers()
        self._runtimes = runtimes
        self._cgroup_names = itertools.count()
        self._closed = False

    @contextmanager
    def new_cgroup(self) -> Iterator[Cgroup | None]:
        """A group for a cell that is about to be started, or None where this grid does without.

        It is removed where the start fails. Raises `OSError`.
        """
        if isinstance(self.cgroups, CgroupUnavailable):
            yield None
            return
        name = f"cell-{next(self._cgroup_names)}"
        cgroup = self.cgroups.create(name, max_processes=self.limits.max_processes)
        try:
            yield cgroup
        except BaseException:
            cgroup.remove()
            raise

    def inside(self, cgroup: Cgroup | None) -> AbstractContextManager[None]:
        """What this thread starts meanwhile is born in the group, if there is one. Raises `OSError`."""
        if cgroup is None or isinstance(self.cgroups, CgroupUnavailable):
            return nullcontext()
        return self.cgroups.inside(cgroup)

    def prepare(self) -> None:
        """End what a crashed grid left, remove what it had, and lay the workspace out. Blocks."""
        if isinstance(self.cgroups, Cgroups):
            self.cgroups.sweep()
        for _ in range(_SWEEP_ROUNDS):
            if not processes.kill_all(self._orphans):
                break
            time.sleep(0.01)
        self.workspace.prepare(self._runtimes)
        self.workspace.sweep()

    def describe(self) -> list[str]:
        """What is used and what is not, one line each, for `up` and `doctor`."""
        users = self.identities.users
        return [
            f"sandboxes run as users {users[0]} to {users[-1]}" if users else "sandboxes run as your own user",
            f"limits: {self.cgroups.describe()}"
            if isinstance(self.cgroups, Cgroups)
            else f"limits: rlimits and a memory watch, no cgroups ({self.cgroups.reason})",
        ]

    def close(self) -> None:
        """Give everything back. Every cell must be gone. Idempotent. Blocks."""
        if self._closed:
            return
        self._closed = True
        self.spawner.close()
        if isinstance(self.cgroups, Cgroups):
            self.cgroups.close()
        self.identities.close()
        self.workspace.close()

    def _orphans(self) -> list[int]:
        """Processes that a grid on this workspace, or with these users, has left. No living grid has either now."""
        if self.identities.users is not None:
            return processes.of_users(self.identities.users)
        found = processes.inside_folder(self.workspace.slots)
        return list({member for pid in found for member in processes.family(pid)})


def open_machine(
    data: Path, clock: Clock, *, limits: Limits | None = None, runtimes: Path = _RUNTIMES, use_cgroups: bool = True
) -> Machine:
    """Everything that a driver needs below this data folder. Raises `SandboxUnavailable`, `ConfigError`. Blocks."""
    identities = claim_identities()
    try:
        workspace = open_workspace(data, identities.reader)
    except BaseException:
        identities.close()
        raise
    # The name lets the next start on the same workspace find what a crash left.
    name = sha256(str(workspace.root).encode()).hexdigest()[:12]
    cgroups = open_cgroups(name) if use_cgroups else CgroupUnavailable(reason="switched off")
    return Machine(
        workspace, identities, cgroups, Spawner(), MemoryWatch(clock), limits=limits or Limits(), runtimes=runtimes
    )
