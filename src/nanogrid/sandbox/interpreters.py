"""Which runtimes this machine has an interpreter for, that the sandboxes' users can read."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from nanogrid.model import Record
from nanogrid.sandbox.access import can_execute, can_read

_PYTHON = re.compile(r"python3\.(\d+)\Z")
#: What `runtimes/python.py` runs on, at least.
_OLDEST_MINOR = 8
_SYSTEM = (Path("/usr/bin"), Path("/usr/local/bin"))
#: Runtimes whose functions are programs of their own; one of ours serves both.
PROGRAMS = ("command", "provided")
_ELF = b"\x7fELF"


class Interpreter(Record, frozen=True, kw_only=True):
    """What starts one runtime."""

    runtime: str
    #: The real file, links resolved.
    executable: Path
    options: list[str]
    #: The file below `nanogrid/runtimes` that it runs.
    program: str
    #: What it needs to see besides /usr, at the same path.
    binds: list[Path] = []

    def command(self, runtimes: Path, control: int) -> list[str]:
        """What is started; `control` is the number of the runtime's end of the control socket."""
        return [str(self.executable), *self.options, str(runtimes / self.program), str(control)]


class Rejected(Record, frozen=True, kw_only=True):
    """An interpreter that is there but can't be used."""

    path: Path
    reason: str


class Offer(Record, frozen=True, kw_only=True):
    """What a grid can start, best first, and what it can't."""

    interpreters: list[Interpreter]
    rejected: list[Rejected] = []

    def runtimes(self) -> list[str]:
        """Their names."""
        return [interpreter.runtime for interpreter in self.interpreters]

    def describe(self) -> list[str]:
        """One line each, for `up` and `doctor`."""
        used = [f"{one.runtime}: {one.executable}" for one in self.interpreters]
        return used + [f"not used: {one.path}: {one.reason}" for one in self.rejected]


def find_interpreters(
    uid: int, *, search_path: str, own_prefix: Path = Path(sys.base_prefix), system: tuple[Path, ...] = _SYSTEM
) -> Offer:
    """Everything that user can start: Pythons of the system and our own, newest first, node, what runs programs."""
    pythons, rejected = _pythons(uid, own_prefix, system)
    nodes, node_rejected = _nodes(uid, search_path)
    commands = [_for_program(name, pythons[0]) for name in PROGRAMS] if pythons else []
    return Offer(interpreters=[*pythons, *nodes[:1], *commands], rejected=[*rejected, *node_rejected])


def _pythons(uid: int, own_prefix: Path, system: tuple[Path, ...]) -> tuple[list[Interpreter], list[Rejected]]:
    found: dict[int, Interpreter] = {}
    rejected: list[Rejected] = []
    for path in _python_paths(own_prefix, system):
        minor = int(path.name.partition(".")[2])
        reason = _why_not_python(path, minor, uid)
        if reason:
            rejected.append(Rejected(path=path, reason=reason))
        else:
            found.setdefault(minor, _python(path, minor))
    return [found[minor] for minor in sorted(found, reverse=True)], rejected


def _python_paths(own_prefix: Path, system: tuple[Path, ...]) -> Iterator[Path]:
    for folder in dict.fromkeys((*system, own_prefix / "bin")):
        if os.access(folder, os.R_OK):
            yield from sorted(path for path in folder.iterdir() if _PYTHON.match(path.name))


def _why_not_python(path: Path, minor: int, uid: int) -> str:
    if minor < _OLDEST_MINOR:
        return f"older than Python 3.{_OLDEST_MINOR}"
    if reason := _why_not_executable(path, uid):
        return reason
    library = path.resolve().parent.parent / "lib" / f"python3.{minor}" / "encodings" / "__init__.py"
    return "" if can_read(library, uid) else f"the sandboxes' user can't read its library, {library.parent.parent}"


def _python(path: Path, minor: int) -> Interpreter:
    real = path.resolve()
    return Interpreter(
        runtime=f"python3.{minor}",
        executable=real,
        # Isolated from the user's site-packages and environment, no `site` (it takes longest), no bytecode written.
        options=["-I", "-S", "-B"],
        program="python.py",
        binds=_outside_usr(real, real.parent.parent / "lib"),
    )


def _for_program(runtime: str, python: Interpreter) -> Interpreter:
    return Interpreter(
        runtime=runtime,
        executable=python.executable,
        options=python.options,
        program="command.py",
        binds=python.binds,
    )


def _nodes(uid: int, search_path: str) -> tuple[list[Interpreter], list[Rejected]]:
    found: list[Interpreter] = []
    rejected: list[Rejected] = []
    for folder in search_path.split(os.pathsep):
        path = shutil.which("node", path=folder) if folder else None
        if path is None:
            continue
        reason = _why_not_executable(Path(path), uid)
        if reason:
            rejected.append(Rejected(path=Path(path), reason=reason))
        else:
            found.append(_node(Path(path).resolve()))
    return found, rejected


def _node(real: Path) -> Interpreter:
    return Interpreter(runtime="nodejs", executable=real, options=[], program="nodejs.js", binds=_outside_usr(real))


def _why_not_executable(path: Path, uid: int) -> str:
    if not can_execute(path, uid):
        return "the sandboxes' user can't read or start it"
    with path.open("rb") as file:
        # A version manager's shim is a script that looks for the real one, in places that a sandbox does not have.
        return "" if file.read(len(_ELF)) == _ELF else "a script that stands for the real program"


def _outside_usr(*paths: Path) -> list[Path]:
    return [path for path in paths if not path.is_relative_to("/usr")]
