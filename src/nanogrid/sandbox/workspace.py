"""The folder that sandboxes see parts of: runtimes, unpacked code, and a slot for each cell.

    bin/        a bwrap that the sandboxes' users can read, where the installed one can't be
    runtimes/   what starts inside
    etc/        the few lines of /etc that are made for sandboxes
    code/       unpacked archives by sha-256; the code cache fills it
    slots/N/    what belongs to one cell: `code` it runs, and `tmp` where it has no /tmp of its own

Every folder on the way can be passed through but not listed by others (0711); a slot is its own user's alone.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nanogrid.errors import ConfigError, SandboxUnavailable
from nanogrid.model import Record
from nanogrid.sandbox.access import can_enter
from nanogrid.sandbox.identities import Identity

#: A file in the data folder that says where the workspace is, where it is apart; and one there that points back.
_POINTER = "workspace-folder"
_OWNER = "belongs-to"
_PREFIX = "nanogrid-"
_PASSABLE = 0o711
#: Without it a function can't speak to a server that it has started itself under this name.
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


class Slot(Record, frozen=True, kw_only=True):
    """One cell's place."""

    number: int
    folder: Path
    code: Path
    #: Writable by the cell's user, once `make_tmp` has made it; behind walls there is another.
    tmp: Path
    identity: Identity | None


class Workspace:
    """Ours alone until `close`. Its methods touch the disk: call them in a thread."""

    def __init__(self, root: Path, data: Path, lock: int) -> None:
        """See `open_workspace`. `lock` is the descriptor that keeps other grids out."""
        self.root = root
        self.data = data
        self.bin = root / "bin"
        self.runtimes = root / "runtimes"
        self.hosts = root / "etc" / "hosts"
        self.code = root / "code"
        self.slots = root / "slots"
        self._lock = lock

    def prepare(self, runtimes: Path) -> None:
        """Lay the folders out, with a fresh copy of the runtimes."""
        for folder in (self.bin, self.hosts.parent, self.code, self.slots):
            folder.mkdir(exist_ok=True)
            folder.chmod(_PASSABLE)
        remove_tree(self.runtimes)
        for source in runtimes.rglob("*"):
            if source.is_file() and source.suffix != ".pyc":
                publish(source, self.runtimes / source.relative_to(runtimes))
        self.hosts.unlink(missing_ok=True)
        self.hosts.write_text(_HOSTS)
        self.hosts.chmod(0o444)

    def open_slot(self, number: int, identity: Identity | None) -> Slot:
        """An empty slot; whatever lay there is removed."""
        folder = self.slots / str(number)
        slot = Slot(number=number, folder=folder, code=folder / "code", tmp=folder / "tmp", identity=identity)
        # Past pathlib: each sandbox waits for this.
        place, code = str(folder), str(slot.code)
        try:
            os.mkdir(place)  # noqa: PTH102
        except FileExistsError:
            remove_tree(folder)
            os.mkdir(place)  # noqa: PTH102
        os.mkdir(code)  # noqa: PTH102
        if identity is not None:
            os.chown(place, -1, identity.gid)
        os.chmod(code, 0o755)  # noqa: PTH101, S103 - read by the cell
        os.chmod(place, 0o710)  # noqa: PTH101, S103 - passed by the cell
        return slot

    def sweep(self) -> None:
        """Remove the slots that a crashed grid left. Its processes must have ended."""
        for folder in list(self.slots.iterdir()):
            remove_tree(folder)

    def close(self) -> None:
        """Let another grid have it. What lies apart from the data folder is removed, so that nothing stays behind."""
        if not self.root.is_relative_to(self.data):
            remove_tree(self.root)
        os.close(self._lock)


def open_workspace(data: Path, uid: int, *, elsewhere: Path = Path("/var/tmp")) -> Workspace:  # noqa: S108 - see _fresh
    """The workspace of a data folder: a folder of its own `elsewhere`, or else within, where that user can reach it.

    Whoever is inside can read from where his mounts come, so that had better say nothing of this machine.

    Raises `SandboxUnavailable` where another grid works in it; `ConfigError` where the data folder is one that
    sandboxes see.
    """
    data = data.resolve()
    if data.is_relative_to("/usr"):
        raise ConfigError(f"{data} lies below /usr, which functions can read.", hint="Choose another data folder.")
    pointer = data / _POINTER
    root = _remembered(pointer) or _fresh(pointer, elsewhere) or _within(data, uid)
    if root is None:
        raise SandboxUnavailable(
            f"sandboxes have no folder: {elsewhere} can't be used, and their user can't reach {data}.",
            hint=f"Let programs be started from {elsewhere}, or choose another data folder.",
        )
    return Workspace(root, data, _lock(root))


def make_tmp(slot: Slot) -> None:
    """Make the slot's folder for temporary files."""
    slot.tmp.mkdir()
    if slot.identity is not None:
        os.chown(slot.tmp, slot.identity.uid, slot.identity.gid)
    slot.tmp.chmod(0o700)


def publish(source: Path, target: Path) -> None:
    """Copy a file so that everybody can read it, and start it where its owner can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    shutil.copyfile(source, target)
    target.chmod(0o555 if source.stat().st_mode & stat.S_IXUSR else 0o444)


def link_tree(source: Path, target: Path, *, copy: bool = False) -> Iterator[None]:
    """Fill the folder `target` with the files of `source`, one file per step.

    Hard links where the file system allows: cheap, and cached once for all. `copy` is for where the cell's user could
    write to them.
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        below = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            below.mkdir(mode=0o755)
            yield from link_tree(Path(entry.path), below, copy=copy)
        elif entry.is_file(follow_symlinks=False):
            _link_or_copy(Path(entry.path), below, copy=copy)
            yield


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, however deep, and whatever rights its owner has taken away.

    Deep trees are made flat step by step, so that neither our stack nor a path's length can run out. Nothing may live
    in there any more.
    """
    if not folder.is_dir() or folder.is_symlink():
        folder.unlink(missing_ok=True)
        return
    while entries := _entries(folder):
        for entry in entries:
            for inner in _entries(entry) if entry.is_dir() and not entry.is_symlink() else []:
                if inner.is_dir() and not inner.is_symlink():
                    inner.chmod(0o700)
                    inner.rename(folder / secrets.token_hex(16))
                else:
                    inner.unlink()
            _remove_one(entry)
    folder.rmdir()


def _entries(folder: Path) -> list[Path]:
    folder.chmod(0o700)
    return list(folder.iterdir())


def _remove_one(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


def _link_or_copy(source: Path, target: Path, *, copy: bool) -> None:
    if not copy:
        with contextlib.suppress(OSError):
            os.link(source, target, follow_symlinks=False)
            return
    shutil.copyfile(source, target, follow_symlinks=False)
    target.chmod(stat.S_IMODE(source.stat().st_mode))


def _within(data: Path, uid: int) -> Path | None:
    if not can_enter(data, uid):
        return None
    root = data / "workspace"
    root.mkdir(exist_ok=True)
    root.chmod(_PASSABLE)
    return root


def _remembered(pointer: Path) -> Path | None:
    """The folder that an earlier start has made, if it is still what it was: a folder, and ours."""
    try:
        root = Path(pointer.read_text())
        found = root.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == _PASSABLE
    return root if ours else None


def _fresh(pointer: Path, elsewhere: Path) -> Path | None:
    if not _can_hold_programs(elsewhere):
        return None
    _tidy(elsewhere)
    # mkdtemp makes a folder that was not there, so nobody can have prepared it, even where all may write.
    root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=elsewhere))
    root.chmod(_PASSABLE)
    (root / _OWNER).write_text(str(pointer))
    pointer.write_text(str(root))
    return root


def _can_hold_programs(folder: Path) -> bool:
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _tidy(elsewhere: Path) -> None:
    """Remove the folders of crashed grids whose data folder is gone, so that no start of theirs will."""
    for root in elsewhere.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, SandboxUnavailable):
            owner = root / _OWNER
            if root.lstat().st_uid == os.geteuid() and not Path(owner.read_text()).exists():
                lock = _lock(root)
                remove_tree(root)
                os.close(lock)


def _lock(root: Path) -> int:
    # The lock also keeps systemd-tmpfiles from tidying a folder in /var/tmp away.
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise SandboxUnavailable(
            f"another grid is at work in {root}.", hint="Stop it, or give this one a data folder of its own."
        ) from None
    return lock
