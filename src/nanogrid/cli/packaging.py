"""Resolves a function's dependencies into files for its archive. Nothing that is resolved is executed.

Building a Python package from source runs the package's own code, and so does a Node package's install script: wheels
only, and no scripts.
"""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from nanogrid.cli.bytecode import compile_command, drop_too_much, read_with_bytecode
from nanogrid.cli.render import counted
from nanogrid.client.bundle import Entry, read_folder
from nanogrid.errors import InvalidField

#: Takes a line about what is going on.
Say = Callable[[str], None]

#: What a grid elsewhere has at least: the C library of Amazon Linux 2023 and everything younger.
_GLIBC = 34
_OLD_PLATFORMS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: Options that make pip build something here, whatever it is told about wheels.
_BUILDS = ("-e", "--editable", "--no-binary")
_SOURCES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
_INCLUDES = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
_NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")
#: Settings of pip that would put files elsewhere.
_PIP_MISLEADS = frozenset({"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON"})


class Target(Struct, frozen=True):
    """What packages must run on."""

    #: Such as `3.12`.
    python: str
    machine: str
    #: The minor version of the GNU C library.
    glibc: int

    def __str__(self) -> str:
        return f"python{self.python} on {self.machine}"

    @classmethod
    def of(cls, runtime: str, machine: str) -> "Target":
        """The target for a runtime such as `python3.12`."""
        name, version = platform.libc_ver()
        here = int(version.split(".")[1]) if name == "glibc" else _GLIBC
        return cls(runtime.removeprefix("python"), _MACHINES.get(machine.lower(), machine), min(here, _GLIBC))

    def platforms(self) -> list[str]:
        """The platform tags that run there, most specific first."""
        tags = []
        for minor in range(self.glibc, 4, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _OLD_PLATFORMS:
                tags.append(f"{_OLD_PLATFORMS[minor]}_{self.machine}")
        return [*tags, f"linux_{self.machine}"]


class Packages(Struct, frozen=True):
    """What was resolved."""

    files: dict[str, Entry]
    #: How many, and from where.
    summary: str


class Packager:
    """Resolves by pip and npm, and keeps what it resolved by the content of what was asked for."""

    def __init__(
        self, environ: Mapping[str, str], *, refresh: bool = False, pip: Sequence[str] = (sys.executable, "-m", "pip")
    ) -> None:
        """The cache is below XDG_CACHE_HOME; `refresh` resolves again what is in it."""
        base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._cache = base / "nanogrid" / "packages"
        self._environ = environ
        self._refresh = refresh
        self._pip = list(pip)

    def python(self, requirements: Path, target: Target, say: Say) -> Packages:
        """The wheels that the requirements ask for, unpacked. Raises `InvalidField` where the target has none."""
        try:
            texts = {str(path): path.read_text() for path in _with_includes(requirements)}
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidField(f"{requirements} cannot be read: {exc}.", path="requirements.txt") from exc
        for path, text in texts.items():
            _refuse_builds(path, text)
        python = self._same_python(target)
        key = _key("python", "compiled" if python else "", str(target), str(target.glibc), *texts.values())

        def make(folder: Path) -> None:
            arguments = self._pip_arguments(requirements, target, folder)
            environ = {name: value for name, value in self._environ.items() if name not in _PIP_MISLEADS}
            code, output = _execute(arguments, Path.cwd(), environ, say)
            if code != 0:
                raise _pip_failure(requirements, target, output)
            if python:
                # What can't be compiled is left as it is: whoever imports it hears why.
                _execute(compile_command(python, folder), folder, environ, lambda _: None)
                drop_too_much(folder)

        files, cached = self._made(key, make, read_with_bytecode)
        count = len({name.split("/")[0] for name in files if name.split("/")[0].endswith(".dist-info")})
        return Packages(files, f"{counted(count, 'package')} from {requirements.name}{' (cached)' if cached else ''}")

    def node(self, folder: Path, say: Say) -> Packages:
        """The node_modules that package.json asks for, without those for development. Raises `InvalidField`."""
        if shutil.which("npm", path=self._environ.get("PATH")) is None:
            raise InvalidField(
                f"{folder / 'package.json'} needs npm, which is not here.",
                path="package.json",
                hint="Install Node.js, or put node_modules beside it, or use --no-deps.",
            )
        sources = [p for p in (folder / "package.json", folder / "package-lock.json", folder / ".npmrc") if p.is_file()]
        key = _key("node", platform.machine(), *(path.read_text() for path in sources))

        def make(made: Path) -> None:
            for source in sources:
                shutil.copy(source, made / source.name)
            command = "ci" if (made / "package-lock.json").exists() else "install"
            options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
            code, output = _execute(["npm", command, *options], made, self._environ, say)
            (made / ".npmrc").unlink(missing_ok=True)
            if code != 0:
                raise InvalidField(
                    f"npm cannot resolve {folder / 'package.json'}: {_last_line(output, 'npm error')}",
                    path="package.json",
                )

        files, cached = self._made(key, make)
        modules = {name: entry for name, entry in files.items() if name.startswith("node_modules/")}
        count = sum(name.endswith("/package.json") for name in modules)
        return Packages(modules, f"{counted(count, 'package')} from package.json{' (cached)' if cached else ''}")

    def _made(
        self, key: str, make: Callable[[Path], None], read: Callable[[Path], dict[str, Entry]] = read_folder
    ) -> tuple[dict[str, Entry], bool]:
        """The files under the key, and whether they were there. Kept whole or not at all, whoever else makes them."""
        kept = self._cache / key
        if kept.is_dir() and not self._refresh:
            return read(kept), True
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix="new-") as temporary:
            fresh = Path(temporary) / "files"
            fresh.mkdir()
            make(fresh)
            files = read(fresh)
            if kept.is_dir():
                kept.rename(Path(temporary) / "old")
            # Somebody else may have made the same meanwhile: theirs is as good.
            if not kept.exists():
                fresh.rename(kept)
        return files, False

    def _pip_arguments(self, requirements: Path, target: Target, folder: Path) -> list[str]:
        arguments = [*self._pip, *self._interpreter(target), "install"]
        arguments += ["--no-input", "--no-color", "--disable-pip-version-check", "--progress-bar=off", "--no-compile"]
        arguments += ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}"]
        arguments += [f"--platform={tag}" for tag in target.platforms()]
        return [*arguments, f"--target={folder}", f"--requirement={requirements}"]

    def _interpreter(self, target: Target) -> list[str]:
        # Conditions such as `python_version < "3.12"` are read for the Python that pip works for.
        python = self._same_python(target)
        return [] if python in ("", sys.executable) else ["--python", python]

    def _same_python(self, target: Target) -> str:
        """A Python of the target's version on this machine; empty where there is none."""
        if target.python == f"{sys.version_info.major}.{sys.version_info.minor}":
            return sys.executable
        same = shutil.which(f"python{target.python}", path=self._environ.get("PATH"))
        # A version manager leaves commands behind for versions that are not in use.
        works = same is not None and _execute([same, "-c", ""], Path.cwd(), self._environ, lambda _: None)[0] == 0
        return same if same is not None and works else ""


def _with_includes(requirements: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The file and every file that it includes, each once."""
    if requirements.resolve() in seen:
        return
    yield requirements
    for line in _lines(requirements.read_text()):
        if match := _INCLUDES.match(line):
            yield from _with_includes(requirements.parent / match[1], seen | {requirements.resolve()})


def _refuse_builds(path: str, text: str) -> None:
    """Refuse what pip would build from source although told to take wheels only."""
    for line in _lines(text):
        if _is_built(line):
            raise InvalidField(
                f"{path}: {line!r} would be built here, which runs its code.",
                path="requirements.txt",
                hint="Name a released package or a wheel, or put its files beside the function.",
            )


def _is_built(line: str) -> bool:
    """Whether pip would build this: a path, an address or a repository, unless it is that of a wheel."""
    if line.startswith("-"):
        return line.startswith(_BUILDS)
    place = line.partition(";")[0].partition("#")[0].strip()
    return (place.startswith(".") or "/" in place or place.endswith(_SOURCES)) and not place.endswith(".whl")


def _lines(text: str) -> Iterator[str]:
    """The lines that say something, comments taken off."""
    for line in text.replace("\\\n", " ").splitlines():
        if said := re.sub(r"(^|\s)#.*", "", line).strip():
            yield said


def _execute(arguments: list[str], folder: Path, environ: Mapping[str, str], say: Say) -> tuple[int, list[str]]:
    """Run a command to its end, telling each line; its exit code and last lines."""
    tail: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        arguments,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            tail.append(line.rstrip())
            say(tail[-1])
    return process.returncode, list(tail)


def _pip_failure(requirements: Path, target: Target, output: list[str]) -> InvalidField:
    text = "\n".join(output)
    if "No module named pip" in text:
        return InvalidField(
            f"{requirements} needs pip, which this Python does not have.",
            path="requirements.txt",
            hint="Install it (python -m ensurepip), or put the packages beside the function and use --no-deps.",
        )
    if match := _NO_WHEEL.search(text):
        return InvalidField(
            f"{requirements}: there is no wheel of {match[1]} for {target}.",
            path="requirements.txt",
            hint="Building it from source would run its code here. Allow another version, or choose another --runtime.",
        )
    return InvalidField(f"pip cannot resolve {requirements}: {_last_line(output, 'ERROR:')}", path="requirements.txt")


def _last_line(output: list[str], mark: str) -> str:
    """The line that says what went wrong."""
    marked = [line for line in output if line.startswith(mark)]
    return (marked or output or ["it said nothing"])[0 if marked else -1].removeprefix(mark).strip()


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
