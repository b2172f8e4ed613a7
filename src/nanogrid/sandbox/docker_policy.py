"""The walls of a Docker cell as data: everything that its container may and may not is in the tables of this file.

Each line answers a probe under `tests/hostile/`. What an image contains is decided in `images/`.
"""

from pathlib import Path

from msgspec import field

from nanogrid.model import Network, Record
from nanogrid.sandbox.limits import Limits
from nanogrid.sandbox.seccomp import docker_profile

#: Where things are inside.
CODE = "/code"
DOOR = "/door"
#: The user of every function, and its only group.
NOBODY = 65_534
#: Labels, by which a grid finds its own containers again.
GRID, RUNTIME, NETWORK = "nanogrid.grid", "nanogrid.runtime", "nanogrid.network"
#: How many files fit into /tmp; each costs the kernel a kilobyte even when it is empty.
_TMP_FILES = 10_000
#: The kernel counts processes by user, and the users of all containers are one: a limit that bit would let one function
#: stop all others. What counts for each container alone is its PidsLimit; this only makes that no limit is infinite.
_PROCESSES_OF_ALL = 32_768
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
#: Where there is nobody to be asked.
_MASKED_WITHOUT_NETWORK = ["/etc/resolv.conf"]
_READ_ONLY = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    # The first process has the function's own user, and its memory is no business of the function's. No more of it than
    # this: runc still is the first process when these are set, and needs the rest.
    "/proc/1/mem",
    "/proc/1/task/1/mem",
]


class Options(Record, frozen=True, kw_only=True):
    """The same for all containers of a grid."""

    limits: Limits = Limits()
    #: How many processors' worth of time each may use; 0 is all that there are.
    cpus: float = 0.0
    #: What the engine starts containers with, such as `runsc`; empty is its default.
    docker_runtime: str = ""
    #: What a function may ask of the kernel: a Docker profile, as JSON.
    seccomp: str = field(default_factory=docker_profile)


class Walls(Record, frozen=True, kw_only=True):
    """What differs from container to container."""

    grid: str
    runtime: str
    #: The image's id.
    image: str
    #: Variables that the image would set, and that no function sees.
    unset: list[str]
    #: The folders on this machine that are mounted at `CODE` and `DOOR`.
    code: Path
    door: Path
    network: Network
    #: What the engine calls the network.
    engine_network: str
    #: Whom to ask for addresses, where there is a network.
    name_servers: list[str]
    #: The limit until a function is placed.
    memory_bytes: int


def container(walls: Walls, options: Options) -> dict[str, object]:
    """The body of `POST /containers/create`."""
    return {
        "Image": walls.image,
        "User": f"{NOBODY}:{NOBODY}",
        "WorkingDir": "/",
        "Hostname": "fn",
        # A name without a value takes away what the image or the engine would set.
        "Env": [name for name in ("HOSTNAME", *walls.unset) if name != "PATH"],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {GRID: walls.grid, RUNTIME: walls.runtime, NETWORK: walls.network.value},
        "HostConfig": {**_walls(walls, options), **_limits(walls, options)},
    }


def _walls(walls: Walls, options: Options) -> dict[str, object]:
    return {
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={options.seccomp}"],
        "NetworkMode": walls.engine_network,
        "Dns": walls.name_servers,
        # The filter in front of the network reads version 4 only.
        "Sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"} if walls.network is Network.OUTBOUND else {},
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "MaskedPaths": [*_MASKED, *(_MASKED_WITHOUT_NETWORK if walls.network is Network.NONE else [])],
        "ReadonlyPaths": _READ_ONLY,
        "Mounts": [_read_only(walls.code, CODE), _read_only(walls.door, DOOR)],
        # Docker would add noexec; programs that a function unpacks there shall start.
        "Tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={options.limits.tmp_bytes},nr_inodes={_TMP_FILES}"},  # noqa: S108 - the cell's own
        "ShmSize": options.limits.shm_bytes,
        # What a function writes goes through the pipe that it is given, and never through the engine.
        "LogConfig": {"Type": "none"},
        # A first process that reaps, and that is not the runtime: signals to process 1 are not what they are to others.
        "Init": True,
        **({"Runtime": options.docker_runtime} if options.docker_runtime else {}),
    }


def _limits(walls: Walls, options: Options) -> dict[str, object]:
    limits = options.limits
    return {
        # Equal: no swap.
        "Memory": walls.memory_bytes,
        "MemorySwap": walls.memory_bytes,
        # One more for the first process.
        "PidsLimit": limits.max_processes + 1,
        "NanoCpus": int(options.cpus * 1e9),
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
