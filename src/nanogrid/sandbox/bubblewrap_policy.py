"""The walls of a bubblewrap cell as data: everything that a function can see is in the tables of this file.

The order is the order in which bwrap acts. Each line answers a probe under `tests/hostile/`.
"""

import stat
from pathlib import Path

from nanogrid.model import Network, Record
from nanogrid.sandbox.limits import Limits

#: Where things are inside.
RUNTIMES = Path("/nanogrid")
CODE = Path("/code")
#: The user that a function believes to be: nobody.
_NOBODY = "65534"

_NAMESPACES = [
    "--unshare-all",
    # Stated again: "all" would go on without a user namespace where there is none.
    "--unshare-user",
    # A namespace of its own would give a function capabilities, and with them most of the kernel's attack surface.
    "--disable-userns",
    *("--uid", _NOBODY),
    *("--gid", _NOBODY),
    *("--cap-drop", "ALL"),
    # No terminal to type into.
    "--new-session",
    # A grid that is killed leaves nothing running.
    "--die-with-parent",
    "--clearenv",
    *("--hostname", "fn"),
    *("--chdir", "/"),
]
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
#: The first process inside is bwrap, which has the function's own user: its memory is no business of the function's.
_FIRST_PROCESS = [
    *("--ro-bind", "/dev/null", "/proc/1/mem"),
    *("--tmpfs", "/proc/1/task"),
    *("--remount-ro", "/proc/1/task"),
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


def arguments(walls: Walls) -> list[str]:
    """The options of bwrap, up to the command."""
    return [
        *_NAMESPACES,
        *(["--share-net"] if walls.network is Network.OUTBOUND else []),
        *_system(walls.network),
        *_read_only(*((str(path), str(path)) for path in walls.binds)),
        *_read_only(
            (str(walls.hosts), "/etc/hosts"), (str(walls.runtimes), str(RUNTIMES)), (str(walls.code), str(CODE))
        ),
        *_kernel(),
        *_writable(walls.limits),
        # bwrap's own root and /dev are memory as large as half the machine, unless they are closed. This comes last.
        *("--remount-ro", "/dev"),
        *("--remount-ro", "/"),
    ]


def _system(network: Network) -> list[str]:
    folders = [Path(folder) for folder in _SYSTEM_FOLDERS]
    files = _SYSTEM_FILES + (_NETWORK_FILES if network is Network.OUTBOUND else [])
    return [
        *_read_only(("/usr", "/usr")),
        *(part for folder in folders if folder.is_symlink() for part in ("--symlink", _target(folder), str(folder))),
        *_read_only(*((str(folder),) * 2 for folder in folders if folder.is_dir() and not folder.is_symlink())),
        *_read_only(*((file, file) for file in files if Path(file).exists())),
    ]


def _kernel() -> list[str]:
    return [
        *("--proc", "/proc"),
        # Some of it is writable by its owner, whatever namespace that is in.
        *_read_only(("/proc/sys", "/proc/sys")),
        *_read_only(*(("/dev/null", file) for file in _MASKED_FILES if _open_to_all(Path(file)))),
        *_FIRST_PROCESS,
        *(part for folder in _MASKED_FOLDERS if Path(folder).is_dir() for part in _empty(folder)),
        *("--dev", "/dev"),
    ]


def _writable(limits: Limits) -> list[str]:
    return [
        *("--perms", "1777", "--size", str(limits.tmp_bytes), "--tmpfs", "/tmp"),  # noqa: S108 - the cell's own
        *("--perms", "1777", "--size", str(limits.shm_bytes), "--tmpfs", "/dev/shm"),  # noqa: S108 - the cell's own
    ]


def _read_only(*pairs: tuple[str, str]) -> list[str]:
    return [part for source, target in pairs for part in ("--ro-bind", source, target)]


def _empty(folder: str) -> list[str]:
    return ["--tmpfs", folder, "--remount-ro", folder]


def _open_to_all(file: Path) -> bool:
    # A sandbox's user is a stranger to the host, so what is root's alone is closed to it as it is.
    return file.exists() and bool(file.stat().st_mode & stat.S_IRWXO)


def _target(link: Path) -> str:
    return str(link.readlink())
