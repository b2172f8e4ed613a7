"""Fetches wheels for another Python than this one, with this one's pip."""

import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from nanogrid.cloud.deployment.distributions import Target
from nanogrid.errors import PlatformError

#: Puts the wheels of these `name==version` for the target into the folder.
Fetch = Callable[[Sequence[str], Target, Path], None]
_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def fetch_wheels(pins: Sequence[str], target: Target, folder: Path) -> None:
    """As `Fetch`, from the package index that pip is set up with. Raises `PlatformError`."""
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", target.python, *platforms]
    done = subprocess.run([*command, "-d", str(folder), *pins], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise PlatformError(
            f"the packages for Python {target.python} on Linux could not be fetched: {last[0]}",
            hint="pip's index must be reachable. On Linux with Python 3.11 to 3.13 nothing has to be fetched.",
        )


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Put the importable files of a wheel into the folder."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            if top.endswith(".data"):
                _, _, place = rest.partition("/")
            else:
                place = "" if top.endswith(".dist-info") else name
            if place and not place.endswith("/"):
                path = folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
