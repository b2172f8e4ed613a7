"""The walls of a Docker cell as data: everything that its container may and may not is in the tables of this file.

Each line answers a probe under `tests/hostile/`. What an image contains is decided in `images/`.
"""

from pathlib import Path

from nanogrid.model import Record
from nanogrid.sandbox.limits import Limits

#: Where things are inside.
CODE = "/code"
DOOR = "/door"
#: The user of every function: nobody, with no group besides.
_NOBODY = "65534:65534"
#: Labels, by which a grid finds its own containers again.
GRID, RUNTIME, NETWORK = "nanogrid.grid", "nanogrid.runtime", "nanogrid.network"
#: How many files fit into /tmp; each costs the kernel a kilobyte even when it is empty.
_TMP_FILES = 10_000
#: The kernel counts processes by user, and the users of all containers are one: a limit that bit would let one function
#: stop all others. What counts for each container alone is its PidsLimit; this only makes that no limit is infinite.
_PROCESSES_OF_ALL = 1_000_000
#: When the machine runs out of memory, functions go before the platform does.
_OOM_SCORE = 500

#: Of the host's kernel, and nobody's business inside: Docker's own list, and more. A folder becomes an empty one.
_MASKED = [
    # Where cgroups are mounted as well.
    "/sys",
    # Message queues are files that no tmpfs limit holds for.
    "/dev/mqueue",
    "/proc/acpi",
    "/proc/asound",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/pagetypeinfo",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
]
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]


class Walls(Record, frozen=True, kw_only=True):
    """What differs from grid to grid, runtime to runtime and cell to cell."""

    grid: str
    runtime: str
    #: The image's id.
    image: str
    #: Variables that the image would set, and that no function sees.
    unset: list[str]
    #: The folders on this machine that are mounted at `CODE` and `DOOR`.
    code: Path
    door: Path
    #: The name of the engine's network.
    network: str
    limits: Limits
    #: Until a function is placed, in bytes.
    memory: int
    #: A Docker profile, as JSON.
    seccomp: str
    #: How many processors' worth of time; None is all there are.
    cpus: float | None = None
    #: What the engine starts containers with, such as `runsc`; empty is its default.
    docker_runtime: str = ""


def container(walls: Walls) -> dict[str, object]:
    """The body of `POST /containers/create`."""
    return {
        "Image": walls.image,
        "User": _NOBODY,
        "WorkingDir": "/",
        "Hostname": "fn",
        # A name without a value takes away what the image or the engine would set.
        "Env": [name for name in ("HOSTNAME", *walls.unset) if name != "PATH"],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {GRID: walls.grid, RUNTIME: walls.runtime, NETWORK: walls.network},
        "HostConfig": {**_walls(walls), **_limits(walls)},
    }


def _walls(walls: Walls) -> dict[str, object]:
    return {
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "Privileged": False,
        "SecurityOpt": ["no-new-privileges", f"seccomp={walls.seccomp}"],
        "NetworkMode": walls.network,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "MaskedPaths": _MASKED,
        "ReadonlyPaths": _READ_ONLY,
        "Mounts": [_read_only(walls.code, CODE), _read_only(walls.door, DOOR)],
        # Docker would add noexec; programs that a function unpacks there shall start.
        "Tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={walls.limits.tmp_bytes},nr_inodes={_TMP_FILES}"},  # noqa: S108 - the cell's own
        "ShmSize": walls.limits.shm_bytes,
        # What a function writes goes through the pipe that it is given, and never through the engine.
        "LogConfig": {"Type": "none"},
        # A first process that reaps, and that is not the runtime: signals to process 1 are not what they are to others.
        "Init": True,
        **({"Runtime": walls.docker_runtime} if walls.docker_runtime else {}),
    }


def _limits(walls: Walls) -> dict[str, object]:
    limits = walls.limits
    return {
        # Equal: no swap.
        "Memory": walls.memory,
        "MemorySwap": walls.memory,
        # One more for the first process.
        "PidsLimit": limits.max_processes + 1,
        "NanoCpus": int((walls.cpus or 0) * 1e9),
        "OomScoreAdj": _OOM_SCORE,
        "Ulimits": [
            _ulimit("nofile", limits.max_open_files),
            _ulimit("fsize", limits.max_file_bytes),
            _ulimit("nproc", _PROCESSES_OF_ALL),
            _ulimit("core", 0),
        ],
    }


def _read_only(source: Path, target: str) -> dict[str, object]:
    return {
        "Type": "bind",
        "Source": str(source),
        "Target": target,
        "ReadOnly": True,
        "BindOptions": {"Propagation": "rprivate"},
    }


def _ulimit(name: str, most: int) -> dict[str, object]:
    return {"Name": name, "Soft": most, "Hard": most}
