"""Which packages a part of NanoGrid needs, in the versions that are installed here, and where their files are."""

import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from nanogrid.errors import ConfigError
from nanogrid.model import Record

#: The C library of Amazon Linux 2023, which Lambdas and workers run on.
_GLIBC = (2, 34)
#: The versions that both Lambda and Amazon Linux 2023 have, see the template's `PythonVersion`.
_OFFERED = ("3.11", "3.12", "3.13")
_USUAL = "3.12"
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_x86_64")
#: Older names of the same.
_LEGACY = {"manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64"}


class Target(Record, frozen=True, kw_only=True):
    """What a part is to run on: a version of Python, on Linux and x86_64."""

    #: Such as `3.12`.
    python: str

    @property
    def tag(self) -> str:
        """As wheels name the interpreter, such as `cp312`."""
        return f"cp{self.python.replace('.', '')}"

    @property
    def is_here(self) -> bool:
        """Whether this interpreter is of that version."""
        return self.python == this_python()


def choose_target(*, emulated: bool) -> Target:
    """The Python of here where Lambda and the workers' system have it, so that nothing is fetched; else their usual.

    An emulator runs Lambdas under this very interpreter.
    """
    here = this_python()
    return Target(python=here if emulated or here in _OFFERED else _USUAL)


def this_python() -> str:
    """The version of this interpreter, such as `3.12`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def needed(roots: Iterable[str], target: Target) -> list[Distribution]:
    """These distributions and all that they need on the target, in order of name. Raises `ConfigError`."""
    found: dict[str, Distribution] = {}
    todo = [Requirement(root) for root in roots]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found[name] = _installed(name)
        todo += _requirements(found[name], requirement.extras, target)
    return [found[name] for name in sorted(found)]


def runs_on(one: Distribution, target: Target) -> bool:
    """Whether the files that are installed here would run on the target just as they are."""
    wheel = one.read_text("WHEEL") or ""
    tags = [tag for line in wheel.splitlines() if line.startswith("Tag: ") for tag in parse_tag(line[5:])]
    return any(
        _fits(tag.platform)
        and (tag.interpreter.startswith("py3") or tag.abi == "abi3" or tag.interpreter == target.tag)
        for tag in tags
    )


def files_of(one: Distribution) -> Iterator[tuple[str, Path]]:
    """The importable files of a distribution, each with its place below the folder that Python looks into."""
    for file in one.files or []:
        place = file.as_posix()
        if not place.startswith("..") and "__pycache__" not in place and ".dist-info/" not in place:
            yield place, Path(str(file.locate()))


def _fits(platform: str) -> bool:
    if platform == "any" or platform in _LEGACY:
        return True
    match = _MANYLINUX.fullmatch(platform)
    return match is not None and (int(match[1]), int(match[2])) <= _GLIBC


def _requirements(one: Distribution, extras: set[str], target: Target) -> list[Requirement]:
    requirements = [Requirement(text) for text in one.requires or []]
    environments = [_environment(target, version, extra) for version in _versions(target) for extra in ("", *extras)]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None or any(requirement.marker.evaluate(one) for one in environments)
    ]


def _versions(target: Target) -> tuple[str, ...]:
    """The first patch version and a late one: whichever the place has, all that it needs is there."""
    return f"{target.python}.0", f"{target.python}.9"


def _environment(target: Target, version: str, extra: str) -> dict[str, str | set[str]]:
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": version,
        "python_version": target.python,
        "sys_platform": "linux",
        "extra": extra,
    }


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as exc:
        raise ConfigError(f"the package {name} is not installed here.", hint="pip install 'nanogrid[aws]'") from exc
