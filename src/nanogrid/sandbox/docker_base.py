"""A base image from the distribution's packages, for where no image registry can be reached.

`debootstrap` fetches and installs what the machine's own package mirror has, and the engine imports the result. That is
the suite as released: where later security updates matter, build on a base image that somebody keeps current.
"""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Record
from nanogrid.sandbox.engine import Engine

#: What a base holds besides the distribution's smallest set, by kind of image.
PACKAGES = {
    "python": ("python3", "ca-certificates"),
    "nodejs": ("nodejs", "python3-minimal", "ca-certificates"),
    "command": ("python3", "ca-certificates"),
}
_LABEL = "nanogrid.base"
#: What no function needs: half of all that is installed.
_LEFT_OUT = (
    *("./boot/*", "./proc/*", "./sys/*", "./run/*", "./tmp/*"),
    *("./var/cache/*", "./var/lib/apt/*", "./var/lib/dpkg/*", "./var/log/*"),
    *("./usr/share/doc/*", "./usr/share/info/*", "./usr/share/man/*", "./usr/share/locale/*"),
    *("./usr/include/*", "*.a"),
)
_READ = 1024 * 1024
_LAST_LINES = 5
#: One line of /etc/apt/sources.list: perhaps options in brackets, then address, suite and components.
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<address>\S+)\s+(?P<suite>\S+)\s")


class Mirror(Record, frozen=True, kw_only=True):
    """Where this machine's packages come from."""

    address: str
    suite: str


async def make_base(engine: Engine, kind: str, mirror: Mirror, *, report: Callable[[str], None]) -> str:
    """The name of a base image for that kind of runtime image; one that is there already is taken.

    Takes half a minute. Raises `SandboxUnavailable`.
    """
    packages = PACKAGES[kind]
    recipe = sha256(msgspec.json.encode([mirror, packages, _LEFT_OUT])).hexdigest()
    name = f"nanogrid/base:{recipe[:12]}"
    if await engine.image(name) is not None:
        return name
    _check_tools()
    # Not below /tmp, which may be memory, and closed to devices and programs.
    with tempfile.TemporaryDirectory(prefix="nanogrid-base-", dir="/var/tmp") as folder:
        await _bootstrap(Path(folder), mirror, packages, report)
        report("Importing it into the engine.")
        repository, _, tag = name.partition(":")
        await engine.import_image(
            _archive(Path(folder)), {"repo": repository, "tag": tag, "changes": f"LABEL {_LABEL}={recipe}"}
        )
    return name


def find_mirror(etc: Path = Path("/etc")) -> Mirror:
    """The mirror and the suite of this machine's own packages. Raises `SandboxUnavailable`."""
    suite = _suite(etc / "os-release")
    for address, suites in _sources(etc / "apt"):
        if suite in suites:
            return Mirror(address=address, suite=suite)
    raise SandboxUnavailable(
        "this machine's apt sources name no mirror of its own distribution.",
        hint="Build on an image instead: nanogrid images build --base IMAGE.",
    )


def _suite(os_release: Path) -> str:
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", _text(os_release), re.MULTILINE)
    return found[1] if found else ""


def _sources(apt: Path) -> list[tuple[str, list[str]]]:
    """Addresses, each with its suites, from files of both formats."""
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    found = [(line["address"], [line["suite"]]) for file in lists for line in _ONE_LINE.finditer(_text(file))]
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        found += [source for stanza in re.split(r"\n\s*\n", _text(file)) for source in _stanza(stanza)]
    return found


def _stanza(text: str) -> list[tuple[str, list[str]]]:
    fields = {name.lower(): value.split() for name, value in re.findall(r"^([\w-]+):[ \t]*(.*)$", text, re.MULTILINE)}
    if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
        return []
    return [(address, fields.get("suites", [])) for address in fields.get("uris", [])]


def _text(file: Path) -> str:
    try:
        return "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("#"))
    except OSError:
        return ""


def _check_tools() -> None:
    if shutil.which("debootstrap") is None:
        raise SandboxUnavailable("there is no debootstrap.", hint="apt-get install debootstrap, or --base IMAGE.")
    if os.geteuid() != 0:
        raise SandboxUnavailable("debootstrap needs root.", hint="Run this command as root, or give --base IMAGE.")


async def _bootstrap(folder: Path, mirror: Mirror, packages: tuple[str, ...], report: Callable[[str], None]) -> None:
    process = await asyncio.create_subprocess_exec(
        # In mounts of its own: whatever it mounts below the folder is gone when it ends, however it ends.
        *("unshare", "--mount", "debootstrap", "--variant=minbase"),
        *(f"--include={','.join(packages)}", mirror.suite, str(folder), mirror.address),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    said: list[str] = []
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        async for line in process.stdout:
            said.append(line.decode(errors="replace").rstrip())
            report(said[-1])
    finally:
        await _finish(process)
    if process.returncode != 0:
        raise SandboxUnavailable(f"debootstrap ended with {process.returncode}: {' '.join(said[-_LAST_LINES:])}")


async def _archive(folder: Path) -> AsyncIterator[bytes]:
    """The folder's content as a tar stream, without what no function needs, and without setuid."""
    process = await asyncio.create_subprocess_exec(
        *("tar", "--create", "--file=-", "--numeric-owner", "--one-file-system", "--mode=u-s,g-s"),
        *(f"--exclude={pattern}" for pattern in _LEFT_OUT),
        *(f"--directory={folder}", "."),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        while piece := await process.stdout.read(_READ):
            yield piece
    finally:
        await _finish(process)
    if process.returncode != 0:
        raise SandboxUnavailable(f"tar ended with {process.returncode} while the base was imported.")


async def _finish(process: asyncio.subprocess.Process) -> None:
    """Wait for its end; where its output is no longer read, end it with all that it has started."""
    if process.stdout is not None and not process.stdout.at_eof():
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
