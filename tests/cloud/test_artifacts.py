"""What Lambdas and workers start from: the same every time, nothing in it that they do not need, and it works alone."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from nanogrid.cloud.deployment.artifacts import lambda_archive, worker_bundle
from nanogrid.cloud.deployment.distributions import Target, choose_target, needed, runs_on, this_python
from nanogrid.errors import ConfigError

HERE = Target(python=this_python())


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """The Lambdas' archive, unpacked."""
    folder = tmp_path_factory.mktemp("lambda")
    with zipfile.ZipFile(io.BytesIO(lambda_archive(HERE).content)) as packed:
        packed.extractall(folder)  # noqa: S202 - we packed it
    return folder


def test_the_same_installation_makes_the_same_bytes_whatever_the_process_has_done_before():
    elsewhere = (
        "import boto3, redis.asyncio\n"
        "from nanogrid.cloud.deployment.artifacts import lambda_archive, Target\n"
        f"print(lambda_archive(Target(python={HERE.python!r})).key)"
    )
    command = [sys.executable, "-c", elsewhere]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"})

    assert lambda_archive(HERE).key == done.stdout.strip()


def test_no_web_framework_no_sandbox_and_no_command_line_go_to_lambda(archive):
    packages = {path.name for path in archive.iterdir()}
    modules = {path.relative_to(archive / "nanogrid").as_posix() for path in (archive / "nanogrid").rglob("*.py")}

    # Before Python 3.11.3 the Redis client needs one package more.
    early = {"async_timeout"} if HERE.python == "3.11" else set()
    assert packages - early == {
        "nanogrid",
        "msgspec",
        "httptools",
        "hiredis",
        "redis",
        "cronsim",
        "tzdata",
        "multipart",
        "python_multipart",
    }
    assert early <= packages
    assert not [name for name in modules if name.startswith(("cli/", "sandbox/", "runtimes/", "backends/local/"))]
    gateway = {name for name in modules if name.startswith("gateway/")}
    assert gateway == {"gateway/__init__.py", "gateway/console/__init__.py"}


def test_the_archive_is_all_that_the_handlers_import(archive):
    # Neither this machine's packages nor this checkout: the standard library and the archive.
    code = "import sys\nsys.path.insert(0, sys.argv[1])\n"
    code += "from nanogrid.cloud.control_plane import entry\nprint(entry.__file__)"
    command = [sys.executable, "-I", "-S", "-c", code, str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.stdout.startswith(str(archive))


def test_nothing_is_compiled_at_a_cold_start(archive):
    compiled = {path.name.split(".")[0] for path in archive.rglob("__pycache__/*.pyc")}

    assert {path.stem for path in (archive / "nanogrid").rglob("*.py")} <= compiled


def test_a_worker_gets_everything_and_how_to_set_it_up():
    bundle = worker_bundle(HERE)
    with tarfile.open(fileobj=io.BytesIO(bundle.content)) as packed:
        names = set(packed.getnames())
        launcher = packed.extractfile("nanogrid").read().decode()
        executable = {name for name in ("install", "nanogrid", "logs.conf") if packed.getmember(name).mode & 0o111}

    assert bundle.key.startswith("worker/")
    assert {
        "install",
        "logs.conf",
        "logs.json",
        "logrotate",
        "lib/nanogrid/cloud/worker/nanogrid-worker.service",
    } <= names
    assert {"lib/redis/__init__.py", "lib/uvloop/__init__.py", "lib/nanogrid/sandbox/docker.py"} <= names
    assert executable == {"install", "nanogrid"}
    assert f"exec python{HERE.python} -m nanogrid" in launcher
    assert not [name for name in names if "boto" in name or "ministack" in name]


def test_what_does_not_run_there_is_fetched_for_there():
    other = Target(python="3.13" if HERE.python != "3.13" else "3.12")
    asked: list[str] = []

    def fetch(pins, _target, folder):
        asked.extend(pins)
        with zipfile.ZipFile(folder / "some-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some/__init__.py", "x = 1\n")
            wheel.writestr("some-1.data/purelib/more.py", "")
            wheel.writestr("some-1.dist-info/RECORD", "")

    content = lambda_archive(other, fetch=fetch).content

    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert {pin.split("==")[0] for pin in asked} == {"hiredis", "httptools", "msgspec"}
    assert {"some/__init__.py", "more.py", "redis/__init__.py"} <= set(names)
    assert not [name for name in names if name.endswith(".so") or ".dist-info" in name or "__pycache__" in name]


def test_the_python_of_here_is_taken_where_aws_has_it():
    assert choose_target(emulated=True) == HERE
    assert choose_target(emulated=False).python in ("3.11", "3.12", "3.13")


def test_every_package_that_is_needed_by_another_is_among_them():
    names = {one.name.lower() for one in needed(["httpx"], HERE)}

    assert {"httpx", "httpcore", "h11", "anyio", "certifi", "idna"} <= names
    assert all(runs_on(one, HERE) for one in needed(["httpx"], HERE))


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(ConfigError, match="no-such-package"):
        needed(["no-such-package"], HERE)
