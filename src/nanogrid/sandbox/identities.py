"""The users that sandboxes run as: one each where we are root, ourselves where we are not."""

import ctypes
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Record

#: Users per grid, and so the most sandboxes at once.
SPAN = 10_000
#: How many grids find users on one machine.
_MAX_GRIDS = 100
#: Where ranges may begin, and how many: far above every account, container and dynamic user; the second for where
#: only 65,536 users exist.
_BASES = ((1_900_000_000, _MAX_GRIDS), (40_000, 2))

#: Below are root, the system's users and people.
_LOWEST = _BASES[-1][0]
#: Numbers of the system calls setresgid and setresuid.
_SET_USER = {"x86_64": (119, 117), "aarch64": (149, 147)}


class Identity(Record, frozen=True, kw_only=True):
    """A user and group that belong to one sandbox; never root's."""

    uid: int
    gid: int

    def __post_init__(self) -> None:
        """Raises `ValueError` for root: all processes of an identity are killed with its sandbox."""
        if self.uid <= 0 or self.gid <= 0:
            raise ValueError(f"a sandbox can't be user {self.uid}, group {self.gid}")


class Identities:
    """Gives each sandbox, by its number, a user that no other sandbox of the machine has at that time."""

    def __init__(self, users: range | None, lock: socket.socket | None = None) -> None:
        """`users` is None where sandboxes run as ourselves; `lock` is closed with this.

        Raises `ValueError` where the users are not for sandboxes alone.
        """
        if users is not None and (users.start < _LOWEST or os.geteuid() in users):
            raise ValueError(f"users {users.start} to {users.stop} are not for sandboxes alone")
        self.users = users
        self._lock = lock

    @property
    def reader(self) -> int:
        """A user id that stands for all of them when asking who may read what."""
        return os.geteuid() if self.users is None else self.users.start

    def of(self, number: int) -> Identity | None:
        """The user of the sandbox with that number; None means our own. Raises `SandboxUnavailable`."""
        if self.users is None:
            return None
        if number >= len(self.users):
            raise SandboxUnavailable(f"{len(self.users)} sandboxes run at once; there is no user left for another.")
        return Identity(uid=self.users[number], gid=self.users[number])

    def close(self) -> None:
        """Leave the users to another grid."""
        if self._lock is not None:
            self._lock.close()


def claim_identities(uid_map: Path = Path("/proc/self/uid_map")) -> Identities:
    """Users that are ours until `close`, or until this process ends. Raises `SandboxUnavailable`."""
    if os.geteuid() != 0:
        return Identities(None)
    mapped = _mapped_users(uid_map)
    for base, grids in _BASES:
        for first in range(base, base + grids * SPAN, SPAN):
            users = range(first, first + SPAN)
            if any(first in ids and users[-1] in ids for ids in mapped) and (lock := _lock(first)):
                return Identities(users, lock)
    raise SandboxUnavailable(
        "root finds no free range of user ids for its sandboxes.",
        hint="End other grids on this machine, or start NanoGrid as an ordinary user.",
    )


@contextmanager
def as_real_user(identity: Identity | None) -> Iterator[None]:
    """Let this thread alone be the identity for a moment, by its real user; its rights stay root's.

    The kernel keeps users per thread, and libc makes all threads agree; so this goes past libc. The identity's sandbox
    must not run code yet, for it could signal this thread. Raises `OSError`.
    """
    numbers = _SET_USER.get(platform.machine())
    if identity is None or numbers is None:
        yield
        return
    before = (os.getgid(), os.getuid())
    try:
        _set_real(numbers, (identity.gid, identity.uid))
        yield
    finally:
        _set_real(numbers, before)


def _set_real(numbers: tuple[int, int], group_and_user: tuple[int, int]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    keep = ctypes.c_long(-1)
    for number, value in zip(numbers, group_and_user, strict=True):
        if libc.syscall(ctypes.c_long(number), ctypes.c_long(value), keep, keep) != 0:
            raise OSError(ctypes.get_errno(), f"this thread's real user or group could not become {value}")


def _lock(first: int) -> socket.socket | None:
    # An abstract name is freed by the kernel however its holder ends, and lies in no folder that could be missing.
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0nanogrid-users-{first}")
    except OSError:
        lock.close()
        return None
    return lock


def _mapped_users(uid_map: Path) -> list[range]:
    lines = [line.split() for line in uid_map.read_text().splitlines()]
    return [range(int(first), int(first) + int(count)) for first, _, count in lines]
