"""What the walls of a running sandbox are, read from outside: from /proc, not from what we asked for."""

import os
import re
from collections import Counter
from pathlib import Path

_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
_LIMITS = ("core file size", "file size", "open files", "processes")


def posture(pid: int) -> dict[str, object]:
    """Of one process, in the words of the policy files beside this one."""
    status = _status(pid)
    return {
        "runs as root": "0" in status["Uid"].split() + status["Gid"].split(),
        "other groups": status["Groups"].split(),
        "capabilities": sorted({status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}),
        "no_new_privs": status["NoNewPrivs"],
        "seccomp mode": status["Seccomp"],
        "namespaces of its own": [name for name in _NAMESPACES if _namespace(pid, name) != _namespace("self", name)],
        "limits": _limits(pid),
        "descriptors": dict(sorted(_descriptors(pid).items())),
        "writable mounts": _writable_mounts(pid),
        "setuid programs count": _setuid_mounts(pid),
        "environment": _environment(pid),
    }


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _namespace(pid: int | str, name: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{name}").readlink())


def _limits(pid: int) -> dict[str, str]:
    """The hard ones."""
    text = Path(f"/proc/{pid}/limits").read_text()
    return {name: re.search(rf"^Max {name} +\S+ +(\S+)", text, re.MULTILINE)[1] for name in _LIMITS}  # type: ignore[index]


def _descriptors(pid: int) -> Counter[str]:
    targets = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return Counter(target.partition(":")[0] for target in targets)


def _mounts(pid: int) -> list[tuple[str, str, list[str], list[str]]]:
    """Place, kind, options of the mount, options of what is mounted."""
    lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return [
        (fields[4], fields[after + 1], fields[5].split(","), fields[after + 3].split(","))
        for fields in lines
        for after in [fields.index("-")]
    ]


def _writable_mounts(pid: int) -> dict[str, str]:
    return {
        place: kind
        for place, kind, of_mount, of_kind in _mounts(pid)
        if "rw" in of_mount and "rw" in of_kind and not _is_device(pid, place)
    }


def _setuid_mounts(pid: int) -> list[str]:
    return [place for place, kind, of_mount, _ in _mounts(pid) if "nosuid" not in of_mount]


def _is_device(pid: int, place: str) -> bool:
    return Path(f"/proc/{pid}/root{place}").is_char_device()


def _environment(pid: int) -> list[str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return sorted(os.fsdecode(entry.partition(b"=")[0]) for entry in entries if entry)
