"""What a function behind walls can see, as data: everything that is visible or hidden is in the tables of this file.

Both who build walls, bubblewrap and the zygote, take it from here. Each line answers a probe under `tests/hostile/`.
"""

import stat
from pathlib import Path

from nanogrid.model import Network, Record
from nanogrid.sandbox.limits import Limits

#: Where things are inside.
RUNTIMES = Path("/nanogrid")
CODE = Path("/code")
#: What the machine is called inside.
HOSTNAME = "fn"

#: Links on a merged-/usr system, folders elsewhere; needed to find the dynamic loader and a shell.
_SYSTEM_FOLDERS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
#: Read-only where the host has them. Neither passwd nor shadow: a function has no business with the host's users.
_SYSTEM_FILES = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/ssl/certs", "/etc/pki"]
#: Needed as well where a function has the host's network.
_NETWORK_FILES = ["/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf"]
#: Of the host's kernel, and nobody's business inside: hidden where everybody could read them. Each costs a mount.
_MASKED_FILES = [
    "/proc/kallsyms",
    "/proc/config.gz",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/kmsg",
    "/proc/interrupts",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/proc/pagetypeinfo",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/kpagecgroup",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
]
_MASKED_FOLDERS = ["/proc/acpi", "/proc/asound", "/proc/scsi"]


class Walls(Record, frozen=True, kw_only=True):
    """What differs from grid to grid, runtime to runtime and cell to cell."""

    runtimes: Path
    hosts: Path
    code: Path
    #: The interpreter's own files outside /usr, seen at the same path.
    binds: list[Path]
    network: Network
    limits: Limits


def links() -> list[tuple[str, str]]:
    """Symbolic links: what they say, and where they are."""
    folders = [Path(folder) for folder in _SYSTEM_FOLDERS]
    return [(str(folder.readlink()), str(folder)) for folder in folders if folder.is_symlink()]


def read_only(walls: Walls) -> list[tuple[str, str]]:
    """Files and folders of the machine, and where they are inside; without the code."""
    folders = [Path(folder) for folder in _SYSTEM_FOLDERS]
    files = _SYSTEM_FILES + (_NETWORK_FILES if walls.network is Network.OUTBOUND else [])
    same = [
        "/usr",
        *(str(folder) for folder in folders if folder.is_dir() and not folder.is_symlink()),
        *(file for file in files if Path(file).exists()),
        *map(str, walls.binds),
    ]
    return [*((path, path) for path in same), (str(walls.hosts), "/etc/hosts"), (str(walls.runtimes), str(RUNTIMES))]


def hidden_files() -> list[str]:
    """Files of /proc that are hidden."""
    return [file for file in _MASKED_FILES if _open_to_all(Path(file))]


def hidden_folders() -> list[str]:
    """Folders of /proc that are hidden."""
    return [folder for folder in _MASKED_FOLDERS if Path(folder).is_dir()]


def writable(limits: Limits) -> list[tuple[str, int]]:
    """Memory that is a function's own, and how many bytes fit into it."""
    return [("/tmp", limits.tmp_bytes), ("/dev/shm", limits.shm_bytes)]  # noqa: S108 - the cell's own


def _open_to_all(file: Path) -> bool:
    # A sandbox's user is a stranger to the host, so what is root's alone is closed to it as it is.
    return file.exists() and bool(file.stat().st_mode & stat.S_IRWXO)
