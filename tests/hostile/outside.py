"""Looks at the machine from outside of every sandbox: what runs, what is open, what is mounted, what lies about."""

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx

from nanogrid.sandbox.engine import engine_socket

#: A grid that root started runs its sandboxes under users of its own: a block of so many, aligned, above 40,000.
FIRST_UID, UIDS_PER_GRID = 40_000, 10_000
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - looked at, not used
#: The names that probes and their neighbour give to what they leave.
MARKS = {"planted", "bomb", "neighbour", "residue", "disk", "hole", "core"}
#: Most descriptors that the server may hold for one sandbox: channel, log pipe, process handles.
DESCRIPTORS_EACH = 8
#: The name of a process that sandboxes are forks of; it is none itself, and is there as long as the grid.
ZYGOTE = "zygote"
#: What the engine mounts for containers, in everybody's sight: those of other grids come and go as well.
ENGINES_OWN = "/docker/"


@dataclass(frozen=True)
class View:
    """What there is at one moment."""

    #: For each sandbox, by its outermost process, how many processes belong to it.
    sandboxes: dict[int, int]
    orphans: frozenset[int]
    descriptors: int
    mounts: frozenset[str]
    files: frozenset[str]
    slots: int
    zombies: int

    def holes(self, before: "View") -> list[str]:
        """What is more than there was, besides what the pool keeps ready."""
        normal = min(before.sandboxes.values(), default=0)
        crowded = {pid: count for pid, count in self.sandboxes.items() if normal and count > normal}
        more = len(self.sandboxes) - len(before.sandboxes)
        found = {
            "sandboxes with processes left behind": crowded,
            "processes outside of any sandbox": self.orphans - before.orphans,
            "descriptors too many": max(0, self.descriptors - before.descriptors - DESCRIPTORS_EACH * max(0, more) - 2),
            "mounts left behind": sorted(self.mounts - before.mounts),
            "files left behind": self.files - before.files,
            "slots without a sandbox": max(0, self.slots - before.slots - max(0, more)),
            "zombies": self.zombies,
        }
        return [f"{name}: {value}" for name, value in found.items() if value]


def look(pid: int, data: Path, driver: str) -> View:
    """The machine as it is now, around the server with that process id."""
    children = _children()
    forked_from = {child for child in children[pid] if _name(child) == ZYGOTE}
    outermost = [child for child in (_containers(data) if driver == "docker" else children[pid]) if _lives(child)]
    outermost = [child for child in outermost if child not in forked_from]
    sandboxes = {child: len(below(child, children)) for child in outermost}
    inside = {process for child in outermost for process in below(child, children)}
    # Containers of all grids share one user, and what runs in one ends with it: there the user tells nothing.
    blocks = set() if driver == "docker" else {_block(process) for process in inside} - {0}
    return View(
        sandboxes=sandboxes,
        orphans=frozenset(process for process in _processes() if _block(process) in blocks and _lives(process))
        - inside
        - forked_from,
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        mounts=frozenset(_mounts(pid, [data, workspace(data)])),
        files=frozenset(_left_behind()),
        slots=len(list(workspace(data).glob("slots/*"))),
        zombies=sum(not _lives(child) for child in children[pid]),
    )


def _mounts(pid: int, own: list[Path]) -> list[str]:
    """What the server sees mounted, without what others on this machine mount and unmount meanwhile."""
    points = [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return [point for point in points if ENGINES_OWN not in point and not _of_others(Path(point), own)]


def _of_others(point: Path, own: list[Path]) -> bool:
    """Whether it lies in a temporary folder that is not this grid's, as when another test builds an image."""
    return any(map(point.is_relative_to, SHARED_FOLDERS)) and not any(map(point.is_relative_to, own))


def _containers(data: Path) -> list[int]:
    """The first process of each container that the grid of that data folder has started."""
    label = f"nanogrid.grid={sha256(str(data).encode()).hexdigest()[:12]}"
    transport = httpx.HTTPTransport(uds=str(engine_socket(os.environ.get("DOCKER_HOST", ""))))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=30) as engine:
        found = engine.get("/containers/json", params={"filters": json.dumps({"label": [label]})}).json()
        # One that is being removed may be gone by now.
        looks = [engine.get(f"/containers/{one['Id']}/json") for one in found]
    return [pid for one in looks if one.status_code == httpx.codes.OK and (pid := one.json()["State"]["Pid"])]


def workspace(data: Path) -> Path:
    """Beside the rest of the data, or where the file there says."""
    pointer = data / "workspace-folder"
    return Path(pointer.read_text().strip()) if pointer.exists() else data / "workspace"


def below(pid: int, children: dict[int, list[int]]) -> set[int]:
    """The process and all that descend from it."""
    found = {pid}
    for child in children.get(pid, []):
        found |= below(child, children)
    return found


def tree(pid: int) -> list[int]:
    """The process and all that descend from it, eldest first."""
    return sorted(below(pid, _children()))


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for process in _processes():
        children[_parent(process)].append(process)
    return children


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def zygotes(pid: int) -> list[int]:
    """The processes that sandboxes of the server with that process id are forks of."""
    return [child for child in _children()[pid] if _name(child) == ZYGOTE]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _lives(pid: int) -> bool:
    """Not so when it has ended and only waits to be reaped, by its grid, which `zombies` counts, or by init."""
    return _stat(pid)[0] not in "ZX"


def _stat(pid: int) -> list[str]:
    # The name before it stands in brackets and may hold anything, brackets too.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["X", "0"]


def _block(pid: int) -> int:
    """Which grid's users the process belongs to; 0 where it is an ordinary user's, which tells nothing."""
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return uid // UIDS_PER_GRID if uid >= FIRST_UID else 0


def _left_behind() -> list[str]:
    entries = [entry for folder in SHARED_FOLDERS for entry in folder.iterdir()]
    return [str(entry) for entry in entries if entry.name in MARKS or entry.name.startswith("core.")]
