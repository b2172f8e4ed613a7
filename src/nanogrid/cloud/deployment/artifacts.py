"""What Lambdas and workers are started from, built out of what is installed here; the same makes the same bytes."""

import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import nanogrid
from nanogrid.cloud.deployment.distributions import Target, files_of, needed, runs_on
from nanogrid.cloud.deployment.wheels import Fetch, fetch_wheels, unpack_wheel
from nanogrid.model import Record

#: What the Lambdas import besides NanoGrid itself.
_LAMBDA_NEEDS = ("msgspec", "python-multipart", "httptools", "cronsim", "tzdata", "redis[hiredis]")
#: What a Lambda has no use for: it serves the API, and runs nothing.
_NOT_IN_LAMBDA = (
    *("bootstrap", "cli", "client", "runtimes", "sandbox", "worker", "backends/local", "testing"),
    *("cloud/deployment", "cloud/emulator", "cloud/rehearsal", "cloud/worker", "cloud/bundle", "cloud/template.yaml"),
)
#: Of the gateway, the Lambdas have the console's pages only.
_GATEWAY, _CONSOLE = "gateway", "gateway/console"
#: What a worker needs: all of NanoGrid, and the client of Redis.
_WORKER_NEEDS = ("nanogrid", "redis[hiredis]")
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Artifact(Record, frozen=True, kw_only=True):
    """Bytes for the artifact bucket, under a key that names them by their content."""

    key: str
    content: bytes


def lambda_archive(target: Target, *, fetch: Fetch = fetch_wheels) -> Artifact:
    """The archive of both Lambdas. Raises `ConfigError`, `PlatformError` where a package cannot be had."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-lambda-") as name:
        folder = Path(name)
        _add_packages(_LAMBDA_NEEDS, target, folder, fetch)
        _add_own(folder, lambda place: not _left_out(place))
        if target.is_here:
            # A Lambda's folder is read-only: what is not compiled now would be compiled at every cold start.
            _compile(folder)
        content = _zipped(folder)
    return Artifact(key=f"lambda/{_digest(content)}.zip", content=content)


def worker_bundle(target: Target, *, fetch: Fetch = fetch_wheels) -> Artifact:
    """What a worker unpacks into /opt/nanogrid: packages, program, unit, and how to set them up. Raises as above."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-worker-") as name:
        folder = Path(name)
        _add_packages(_WORKER_NEEDS, target, folder / "lib", fetch)
        _add_own(folder / "lib", lambda _: True)
        for file in resources.files("nanogrid.cloud.bundle").iterdir():
            if file.is_file() and not file.name.startswith("__init__"):
                _add_text(folder / file.name, file.read_text().replace("@PYTHON@", f"python{target.python}"))
        content = _tarred(folder)
    return Artifact(key=f"worker/{_digest(content)}.tar.gz", content=content)


def _add_text(path: Path, content: str) -> None:
    """A file of the bundle. A script can be executed: a wheel does not keep modes, so its first line tells."""
    path.write_text(content)
    path.chmod(0o755 if content.startswith("#!") else 0o644)


def _add_packages(roots: Iterable[str], target: Target, folder: Path, fetch: Fetch) -> None:
    """Copied from here where they would run there, else fetched: nothing is fetched that is here already."""
    missing = []
    for one in needed(roots, target):
        if one.name == "nanogrid":
            continue
        if not runs_on(one, target):
            missing.append(f"{one.name}=={one.version}")
            continue
        for place, path in files_of(one):
            _copy(path, folder / place)
    if not missing:
        return
    with tempfile.TemporaryDirectory(prefix="nanogrid-wheels-") as wheels:
        fetch(missing, target, Path(wheels))
        for wheel in sorted(Path(wheels).glob("*.whl")):
            unpack_wheel(wheel, folder)


def _add_own(folder: Path, wanted: Callable[[str], bool]) -> None:
    package = Path(nanogrid.__file__).parent
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package).as_posix()
        if path.is_file() and "__pycache__" not in place and wanted(place):
            _copy(path, folder / "nanogrid" / place)


def _left_out(place: str) -> bool:
    if place.startswith(f"{_GATEWAY}/") and not place.startswith(f"{_CONSOLE}/"):
        return place != f"{_GATEWAY}/__init__.py"
    return any(place == left or place.startswith((f"{left}/", f"{left}.py")) for left in _NOT_IN_LAMBDA)


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    place.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _compile(folder: Path) -> None:
    """In an interpreter of its own: what is compiled depends in a few bytes on what the process has seen before."""
    command = [sys.executable, "-P", "-s", "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]
    # Sets among the constants lie in the order of their hashes.
    subprocess.run([*command, "-s", str(folder), str(folder)], check=False, env={"PYTHONHASHSEED": "0"})


def _zipped(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            info.external_attr = (0o100000 | path.stat().st_mode & 0o777) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return out.getvalue()


def _tarred(folder: Path) -> bytes:
    out = io.BytesIO()
    # The time in gzip's head, and owners and times in tar's, would make each build another.
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path in _files(folder):
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            content = path.read_bytes()
            info.size, info.mode = len(content), path.stat().st_mode & 0o777
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
