"""Who may reach a path: asked before a sandbox is started that could not read its own interpreter."""

import os
import stat
from pathlib import Path


def can_enter(folder: Path, uid: int) -> bool:
    """Whether that user may pass through the folder and everything above it."""
    return all(_allows(step, uid, os.X_OK) for step in (folder, *folder.parents))


def can_read(path: Path, uid: int) -> bool:
    """Whether that user may read the file, or list the folder, once links are resolved."""
    real = path.resolve()
    return can_enter(real.parent, uid) and _allows(real, uid, os.R_OK)


def can_execute(path: Path, uid: int) -> bool:
    """Whether that user may read and start the file, once links are resolved."""
    real = path.resolve()
    return can_read(real, uid) and real.is_file() and _allows(real, uid, os.X_OK)


def _allows(path: Path, uid: int, mode: int) -> bool:
    if uid == os.geteuid():
        return os.access(path, mode)
    # A sandbox's user owns nothing and is in no group, so what everybody may do decides.
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & mode)
    except OSError:
        return False
