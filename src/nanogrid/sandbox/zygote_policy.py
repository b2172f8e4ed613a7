"""The walls of a zygote and its forks, as the plan that it follows. What a function sees is in `view`.

`runtimes/nanogrid_zygote/walls.py` says what each kind of mount means. The order is the order in which they are made.
"""

from collections.abc import Sequence
from pathlib import Path

from nanogrid.sandbox.interpreters import Interpreter
from nanogrid.sandbox.limits import Limits
from nanogrid.sandbox.view import (
    CODE,
    HOSTNAME,
    RUNTIMES,
    Walls,
    hidden_files,
    hidden_folders,
    links,
    read_only,
    writable,
)

#: Seen by the zygote, by no sandbox: what it needs of the machine to make one.
_PLATFORM = "/platform"
_DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]
_DEVICE_LINKS = [
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/kcore", "/dev/core"),
    ("pts/ptmx", "/dev/ptmx"),
]
#: What the runtime consists of: there in every sandbox, for nothing. Each adds to what a fork costs.
_PARTS = ("artifacts", "channel", "failures", "function", "parts", "process", "streams", "values")
_IMPORTS = [f"nanogrid_runtime.{name}" for name in _PARTS]

#: A value that every Python reads in `marshal`: lists, texts, numbers, bytes.
Plan = dict[str, object]


def plan(
    walls: Walls,
    slots: Path,
    interpreter: Interpreter,
    *,
    seccomp: bytes,
    maps_users: bool,
    preimport: Sequence[str] = (),
) -> Plan:
    """What the zygote of that interpreter is told; `slots` is the folder of all cells, and `walls.code` is not used.

    `preimport` are modules that functions find imported.
    """
    return {
        "maps_users": maps_users,
        "hostname": HOSTNAME,
        "mounts": [list(mount) for mount in _mounts(walls, slots)],
        "hidden_files": hidden_files(),
        "hidden_folders": hidden_folders(),
        "writable": [list(one) for one in writable(walls.limits)],
        "code": str(CODE),
        "program": str(RUNTIMES / interpreter.program),
        "imports": [*_IMPORTS, *preimport],
        "filter": seccomp,
        "limits": _limits(walls.limits),
    }


def _mounts(walls: Walls, slots: Path) -> list[tuple[str, ...]]:
    return [
        *(("link", said, link) for said, link in links()),
        # Resolved here, for there a link would lead into the new root.
        *(("bind", str(Path(source).resolve()), target) for source, target in read_only(walls)),
        *(("folder", folder) for folder in ("/tmp", "/proc", str(CODE))),  # noqa: S108 - the cell's own
        ("memory", "/dev"),
        *(("device", f"/dev/{name}") for name in _DEVICES),
        *(("link", said, link) for said, link in _DEVICE_LINKS),
        *(("folder", folder) for folder in ("/dev/pts", "/dev/shm")),  # noqa: S108 - the cell's own
        ("memory", _PLATFORM),
        # The kernel shows a new /proc only to who sees one already.
        ("as-is", "/proc", f"{_PLATFORM}/proc"),
        ("as-is", str(slots), f"{_PLATFORM}/slots"),
        ("bind", "/dev/null", f"{_PLATFORM}/nothing"),
    ]


def _limits(limits: Limits) -> dict[str, int]:
    return {
        "RLIMIT_NOFILE": limits.max_open_files,
        "RLIMIT_FSIZE": limits.max_file_bytes,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": limits.max_processes,
    }
