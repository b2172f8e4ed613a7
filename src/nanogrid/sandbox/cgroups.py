"""Control groups: one for the grid, and in it one for each cell, that bounds its memory and its processes.

Version 1 has a tree for each controller, version 2 one tree for all; the difference is a table here. Where no group can
be written that is a value, not an error: rlimits and the memory watch stand in.

Moving a process takes the kernel some 10 ms, because it waits until all processors have noticed. Version 1 can also
move a thread, and one that moves itself does not wait. So there the spawner's thread enters the group, starts the cell
and leaves again: the cell is born inside.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from nanogrid.model import Record
from nanogrid.sandbox import processes

_PREFIX = "nanogrid-"
_CONTROLLERS = frozenset({"memory", "pids"})
#: How often, 10 ms apart, a sweep tries to end and remove what a crashed grid left.
_SWEEP_ROUNDS = 100


class Files(Record, frozen=True, kw_only=True):
    """Names of the files in a group."""

    memory: str
    #: Memory and swap together (version 1), or swap alone (version 2).
    swap: str
    events: str
    #: Where a thread moves itself; empty where only whole processes are moved.
    threads: str


_V1 = Files(
    memory="memory.limit_in_bytes", swap="memory.memsw.limit_in_bytes", events="memory.oom_control", threads="tasks"
)
_V2 = Files(memory="memory.max", swap="memory.swap.max", events="memory.events", threads="")


class CgroupUnavailable(Record, frozen=True, kw_only=True):
    """Why this grid does without."""

    reason: str


class Cgroup:
    """One cell's group. Its methods are short writes to the kernel, of 20 to 300 microseconds."""

    def __init__(self, memory: Path, pids: Path, files: Files) -> None:
        """`memory` and `pids` are the same folder in version 2. Makes nothing; see `Cgroups.create`."""
        self._memory = memory
        self._pids = pids
        self._files = files

    @property
    def folders(self) -> list[Path]:
        """Where it lies."""
        return list(dict.fromkeys([self._memory, self._pids]))

    def enter(self) -> bool:
        """Move the calling thread in; False where only whole processes can be moved."""
        if not self._files.threads:
            return False
        for folder in self.folders:
            (folder / self._files.threads).write_text("0")
        return True

    def open_doors(self) -> list[int]:
        """Descriptors, to each of which a process writes 0 to move in, whoever it is. Raises `OSError`."""
        return [os.open(folder / (self._files.threads or "cgroup.procs"), os.O_WRONLY) for folder in self.folders]

    def attach(self, pid: int) -> None:
        """Move the process in, if it was not born inside. Raises `OSError` where it is gone."""
        if pid not in self.members():
            for folder in self.folders:
                (folder / "cgroup.procs").write_text(str(pid))

    def limit_processes(self, most: int) -> None:
        """Allow so many processes and threads."""
        (self._pids / "pids.max").write_text(str(most))

    def limit_memory(self, size: int) -> None:
        """Allow so many bytes, and no swap."""
        (self._memory / self._files.memory).write_text(str(size))
        # Without swap accounting the file is not there, and the kernel may swap: slower, but no more memory.
        with contextlib.suppress(FileNotFoundError):
            (self._memory / self._files.swap).write_text(str(size if self._files is _V1 else 0))

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something inside because of the limit."""
        with contextlib.suppress(OSError, ValueError):
            lines = (self._memory / self._files.events).read_text().splitlines()
            return int(dict(line.split() for line in lines).get("oom_kill", "0")) > 0
        return False

    def members(self) -> list[int]:
        """The processes inside."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in (self._pids / "cgroup.procs").read_text().split()]
        return []

    def remove(self) -> bool:
        """Remove the group if it is empty; False asks for another try, for the kernel lags behind the last exit."""
        return all(_removed(folder) for folder in self.folders)


@contextlib.contextmanager
def doors_of(cgroup: Cgroup | None) -> Iterator[list[int]]:
    """See `Cgroup.open_doors`; none where there is no group. Raises `OSError`."""
    doors = [] if cgroup is None else cgroup.open_doors()
    try:
        yield doors
    finally:
        for door in doors:
            os.close(door)


class Cgroups:
    """The grid's own group, in which the cells' groups are."""

    def __init__(self, memory: Path, pids: Path, files: Files, locks: list[int]) -> None:
        """The folders exist already; see `open_cgroups`. `locks` keep other grids from tidying them away."""
        self._locks = locks
        self._memory = memory
        self._pids = pids
        self._files = files
        self._home = Cgroup(memory.parent, pids.parent, files)

    def create(self, name: str, *, max_processes: int) -> Cgroup:
        """A new empty group. Raises `OSError`."""
        cgroup = self._named(name)
        for folder in cgroup.folders:
            folder.mkdir()
        cgroup.limit_processes(max_processes)
        return cgroup

    @contextlib.contextmanager
    def inside(self, cgroup: Cgroup) -> Iterator[None]:
        """What this thread starts meanwhile is born in the group, where that is possible; see `Cgroup.attach`."""
        entered = cgroup.enter()
        try:
            yield
        finally:
            if entered:
                self._home.enter()

    def sweep(self) -> None:
        """End whatever lives in the groups of a grid that has crashed, and remove them. May take a second."""
        names = {path.name for parent in {self._memory, self._pids} for path in parent.iterdir() if path.is_dir()}
        left = [self._named(name) for name in names]
        for _ in range(_SWEEP_ROUNDS):
            left = [cgroup for cgroup in left if not _ended_and_removed(cgroup)]
            if not left:
                return
            time.sleep(0.01)

    def close(self) -> None:
        """Remove the grid's group; whatever is not empty stays for the next start's sweep."""
        for folder in {self._memory, self._pids}:
            _removed(folder)
        for lock in self._locks:
            os.close(lock)

    def describe(self) -> str:
        """For people: which version, and where."""
        return f"cgroup v{1 if self._files is _V1 else 2} at {self._memory}"

    def _named(self, name: str) -> Cgroup:
        return Cgroup(self._memory / name, self._pids / name, self._files)


def open_cgroups(grid: str, *, proc: Path = Path("/proc/self")) -> Cgroups | CgroupUnavailable:
    """The group of that grid below our own, made where it is missing."""
    name = f"{_PREFIX}{grid}"
    try:
        owned = _own_folders(proc)
        if owned.keys() >= _CONTROLLERS:
            return _open_v1(owned["memory"], owned["pids"], name)
        if "" in owned:
            return _open_v2(owned[""], name)
    except OSError as exc:
        return CgroupUnavailable(reason=f"{exc.filename}: {exc.strerror}")
    return CgroupUnavailable(reason="the memory and pids controllers are not mounted")


def _open_v1(memory: Path, pids: Path, name: str) -> Cgroups:
    locks = [_claim(parent, name) for parent in dict.fromkeys((memory, pids))]
    return Cgroups(memory / name, pids / name, _V1, locks)


def _open_v2(own: Path, name: str) -> Cgroups | CgroupUnavailable:
    missing = _CONTROLLERS - set((own / "cgroup.controllers").read_text().split())
    if missing:
        return CgroupUnavailable(reason=f"{own} does not offer: {', '.join(sorted(missing))}")
    if not _controllers_on(own) and (reason := _make_room(own)):
        return CgroupUnavailable(reason=reason)
    lock = _claim(own, name)
    _turn_on_controllers(own / name)
    return Cgroups(own / name, own / name, _V2, [lock])


def _claim(parent: Path, name: str) -> int:
    """Make the grid's group and hold it, after removing the empty ones that crashed grids have left beside it."""
    for stale in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_stale(stale)
    (parent / name).mkdir(exist_ok=True)
    return _hold(parent / name)


def _remove_stale(group: Path) -> None:
    """Remove a group that no living grid holds. Raises `OSError` where one does, or something still lives in it."""
    lock = _hold(group)
    try:
        for inside in group.iterdir():
            _removed(inside)
        group.rmdir()
    finally:
        os.close(lock)


def _hold(group: Path) -> int:
    lock = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    return lock


def _make_room(own: Path) -> str:
    """Turn the controllers on below our own group, and return why that can't be.

    A group with processes can't have controlled children. Alone in it we may step aside into a leaf; where others live
    it is not ours to arrange.
    """
    if (own / "cgroup.procs").read_text().split() == [str(os.getpid())]:
        leaf = own / "nanogrid-server"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
    try:
        _turn_on_controllers(own)
    except OSError as exc:
        return f"{own} is shared with other processes ({exc.strerror}); start NanoGrid as a service of its own"
    return ""


def _turn_on_controllers(group: Path) -> None:
    (group / "cgroup.subtree_control").write_text("+memory +pids")


def _controllers_on(group: Path) -> bool:
    return set((group / "cgroup.subtree_control").read_text().split()) >= _CONTROLLERS


def _own_folders(proc: Path) -> dict[str, Path]:
    """Our own group's folder for each controller; version 2 is the controller without a name."""
    mounts = _mounts(proc / "mountinfo")
    folders = {}
    for line in (proc / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                root, point = mounts[controller]
                inside = path.removeprefix(root.rstrip("/")) if path.startswith(root) else ""
                folders[controller] = point / inside.lstrip("/")
    return folders


def _mounts(mountinfo: Path) -> dict[str, tuple[str, Path]]:
    """For each controller the part of its tree that is mounted, and where."""
    mounts = {}
    for line in mountinfo.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, point = before.split(" ")[3:5]
        if kind == "cgroup2":
            mounts[""] = (root, Path(point))
        elif kind == "cgroup":
            mounts |= {controller: (root, Path(point)) for controller in options.split(",")}
    return mounts


def _ended_and_removed(cgroup: Cgroup) -> bool:
    processes.kill_all(cgroup.members)
    return cgroup.remove()


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
