"""The walls of a bubblewrap cell as its options. What a function sees is in `view`; here is how bwrap is told.

The order is the order in which bwrap acts. Each line answers a probe under `tests/hostile/`.
"""

from collections.abc import Iterable

from nanogrid.model import Network
from nanogrid.sandbox.view import CODE, HOSTNAME, Walls, hidden_files, hidden_folders, links, read_only, writable

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
    *("--hostname", HOSTNAME),
    *("--chdir", "/"),
]
#: The first process inside is bwrap, which has the function's own user: its memory is no business of the function's.
_FIRST_PROCESS = [
    *("--ro-bind", "/dev/null", "/proc/1/mem"),
    *("--tmpfs", "/proc/1/task"),
    *("--remount-ro", "/proc/1/task"),
]


def arguments(walls: Walls) -> list[str]:
    """The options of bwrap, up to the command."""
    return [
        *_NAMESPACES,
        *(["--share-net"] if walls.network is Network.OUTBOUND else []),
        *(part for said, link in links() for part in ("--symlink", said, link)),
        *_read_only([*read_only(walls), (str(walls.code), str(CODE))]),
        *_kernel(),
        *(
            part
            for folder, size in writable(walls.limits)
            for part in ("--perms", "1777", "--size", str(size), "--tmpfs", folder)
        ),
        # bwrap's own root and /dev are memory as large as half the machine, unless they are closed. This comes last.
        *("--remount-ro", "/dev"),
        *("--remount-ro", "/"),
    ]


def _kernel() -> list[str]:
    return [
        *("--proc", "/proc"),
        # Some of it is writable by its owner, whatever namespace that is in.
        *_read_only([("/proc/sys", "/proc/sys")]),
        *_read_only(("/dev/null", file) for file in hidden_files()),
        *_FIRST_PROCESS,
        *(part for folder in hidden_folders() for part in ("--tmpfs", folder, "--remount-ro", folder)),
        *("--dev", "/dev"),
    ]


def _read_only(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [part for source, target in pairs for part in ("--ro-bind", source, target)]
