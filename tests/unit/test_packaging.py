"""Dependencies: resolved for the target, kept by content, and nothing of them executed. pip is the real one."""

import io
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from nanogrid.cli import bytecode
from nanogrid.cli.packaging import Packager, Target
from nanogrid.errors import InvalidField

HERE = f"python3.{sys.version_info.minor}"


def make_wheel(folder: Path, name: str, tag: str = "py3-none-any", requires: str = "") -> Path:
    """A wheel with one module."""
    path = folder / f"{name}-1.0-{tag}.whl"
    info = f"{name}-1.0.dist-info"
    requirement = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f"TAG = {tag!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requirement}")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def make_source_package(folder: Path, trace: Path) -> None:
    """A package whose build leaves a trace."""
    setup = f"open({str(trace)!r}, 'w')\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n".encode()
    with tarfile.open(folder / "evil-1.0.tar.gz", "w:gz") as archive:
        for name, content in {
            "setup.py": setup,
            "PKG-INFO": b"Metadata-Version: 1.0\nName: evil\nVersion: 1.0\n",
        }.items():
            member = tarfile.TarInfo(f"evil-1.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def packager(tmp_path):
    return Packager({"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "cache")})


def requirements(folder: Path, text: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {folder}\n{text}\n")
    return path


def resolved(packager: Packager, path: Path, runtime: str = HERE, machine: str = "x86_64"):
    return packager.python(path, Target.of(runtime, machine), lambda _: None)


def test_wheels_are_unpacked_with_what_they_require(packager, tmp_path):
    make_wheel(tmp_path, "tiny", requires="base")
    make_wheel(tmp_path, "base")

    packages = resolved(packager, requirements(tmp_path, "tiny"))

    assert {"tiny/__init__.py", "base/__init__.py"} <= set(packages.files)
    assert packages.summary == "2 packages from requirements.txt"


def test_the_wheel_is_the_one_for_the_target_not_for_this_machine(packager, tmp_path):
    for tag in ("cp312-cp312-manylinux_2_17_aarch64", "cp311-cp311-manylinux_2_17_x86_64"):
        make_wheel(tmp_path, "tiny", tag)

    packages = resolved(packager, requirements(tmp_path, "tiny"), "python3.12", "arm64")

    assert b"cp312-manylinux_2_17_aarch64" in packages.files["tiny/__init__.py"].content


def test_wheels_are_compiled_for_the_target_where_this_machine_has_its_python(packager, tmp_path):
    make_wheel(tmp_path, "tiny")

    here = resolved(packager, requirements(tmp_path, "tiny")).files
    nowhere = resolved(packager, requirements(tmp_path, "tiny"), "python3.99").files

    (compiled,) = [name for name in here if name.endswith(".pyc")]
    assert compiled == f"tiny/__pycache__/__init__.cpython-3{sys.version_info.minor}.pyc"
    # It says nothing of this machine, and is good whatever the time of the file beside it.
    assert str(tmp_path).encode() not in here[compiled].content
    assert here[compiled].content[4:8] == (1).to_bytes(4, "little")
    assert not [name for name in nowhere if name.endswith(".pyc")]


def test_a_module_that_is_no_python_of_the_target_is_left_as_it_is(packager, tmp_path):
    wheel = make_wheel(tmp_path, "tiny")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tiny/old.py", "print 'two'\n")

    files = resolved(packager, requirements(tmp_path, "tiny")).files

    assert "tiny/old.py" in files
    assert sum(name.endswith(".pyc") for name in files) == 1


# bytes of bytecode, and files in all, that are allowed; what is left
@pytest.mark.parametrize(
    ("most_bytes", "most_files", "left"),
    [
        (11, 2, {"tiny/a.py", "tiny/__pycache__/a.cpython-311.pyc"}),
        (10, 2, {"tiny/a.py"}),  # more than it is worth
        (11, 1, {"tiny/a.py"}),  # the archive may have no more files than that
    ],
)
def test_bytecode_that_is_too_much_is_left_out(tmp_path, most_bytes, most_files, left):
    cached = tmp_path / "tiny" / "__pycache__"
    cached.mkdir(parents=True)
    (cached / "a.cpython-311.pyc").write_bytes(b"x" * 11)
    (tmp_path / "tiny" / "a.py").write_text("a = 1\n")
    bytecode.drop_too_much(tmp_path, most_bytes, most_files)

    assert set(bytecode.read_with_bytecode(tmp_path)) == left


def test_a_package_without_a_wheel_is_refused_and_its_code_never_runs(packager, tmp_path):
    make_source_package(tmp_path, tmp_path / "trace")

    with pytest.raises(InvalidField, match=rf"no wheel of evil for {HERE} on x86_64"):
        resolved(packager, requirements(tmp_path, "evil"))

    assert not (tmp_path / "trace").exists()


# requirements that pip would build, whatever it is told about wheels
@pytest.mark.parametrize(
    "line",
    [
        ".",
        "./package",
        "-e .",
        "--no-binary :all:",
        "evil-1.0.tar.gz",
        "git+https://example.org/evil.git",
        "evil @ git+https://example.org/evil.git",
        "evil @ https://example.org/evil-1.0.tar.gz#sha256=0",
        "folder/package  # a comment",
    ],
)
def test_a_requirement_that_would_be_built_is_refused_before_pip_runs(tmp_path, line):
    packager = Packager({"XDG_CACHE_HOME": str(tmp_path)}, pip=["/nowhere"])

    with pytest.raises(InvalidField, match="would be built here"):
        resolved(packager, requirements(tmp_path, line))


def test_such_a_requirement_is_found_in_included_files_too(packager, tmp_path):
    (tmp_path / "more.txt").write_text("-r requirements.txt\n-e .\n")

    with pytest.raises(InvalidField, match=r"more\.txt"):
        resolved(packager, requirements(tmp_path, "-r more.txt"))


def test_the_same_requirements_are_resolved_once(packager, tmp_path):
    make_wheel(tmp_path, "tiny")
    path = requirements(tmp_path, "tiny")
    first = resolved(packager, path)
    offline = Packager({"XDG_CACHE_HOME": str(tmp_path / "cache")}, pip=["/nowhere"])

    second = resolved(offline, path)

    assert second.files == first.files
    assert second.summary.endswith("(cached)")


def test_other_requirements_another_python_and_refresh_are_resolved_anew(packager, tmp_path):
    make_wheel(tmp_path, "tiny")
    path = requirements(tmp_path, "tiny")
    resolved(packager, path)
    environ = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "cache")}

    refreshed = resolved(Packager(environ, refresh=True), path)
    other = resolved(packager, path, machine="aarch64")

    assert "(cached)" not in refreshed.summary + other.summary
    assert len(list((tmp_path / "cache" / "nanogrid" / "packages").iterdir())) == 2


def test_a_failure_leaves_nothing_in_the_cache(packager, tmp_path):
    with pytest.raises(InvalidField):
        resolved(packager, requirements(tmp_path, "nowhere-to-be-found"))

    assert list((tmp_path / "cache" / "nanogrid" / "packages").iterdir()) == []


def test_a_python_without_pip_is_explained(tmp_path):
    pip = [sys.executable, "-c", "raise SystemExit('No module named pip')"]

    with pytest.raises(InvalidField, match="ensurepip"):
        resolved(Packager({"XDG_CACHE_HOME": str(tmp_path)}, pip=pip), requirements(tmp_path, "tiny"))


def test_what_pip_says_is_told_line_by_line(packager, tmp_path):
    make_wheel(tmp_path, "tiny")
    said = []

    packager.python(requirements(tmp_path, "tiny"), Target.of(HERE, "x86_64"), said.append)

    assert any("tiny" in line for line in said)


def test_platforms_go_from_the_newest_c_library_to_the_oldest():
    tags = Target(python="3.11", machine="aarch64", glibc=18).platforms()

    assert tags[:3] == ["manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert tags[-1] == "linux_aarch64"


def test_a_requirements_file_that_cannot_be_read_is_named(packager, tmp_path):
    with pytest.raises(InvalidField, match=r"nowhere\.txt cannot be read|No such file"):
        resolved(packager, requirements(tmp_path, "-r nowhere.txt"))


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine")
def test_a_package_json_without_dependencies_needs_none(packager, tmp_path):
    (tmp_path / "package.json").write_text('{"name": "f", "version": "1.0.0"}')

    packages = packager.node(tmp_path, lambda _: None)

    assert packages.files == {}


def test_without_npm_a_package_json_is_explained(tmp_path):
    (tmp_path / "package.json").write_text("{}")

    with pytest.raises(InvalidField, match="needs npm"):
        Packager({"PATH": "", "XDG_CACHE_HOME": str(tmp_path)}).node(tmp_path, lambda _: None)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine")
def test_node_packages_are_installed_without_running_their_scripts(packager, tmp_path):
    function, package = tmp_path / "function", tmp_path / "package"
    for folder in (function, package):
        folder.mkdir()
    script = f'{{"install": "touch {tmp_path / "trace"}"}}'
    (package / "package.json").write_text(f'{{"name": "left", "version": "1.0.0", "scripts": {script}}}')
    with tarfile.open(tmp_path / "left.tgz", "w:gz") as archive:
        archive.add(package, "package")
    dependency = f'{{"left": "file:{tmp_path / "left.tgz"}"}}'
    (function / "package.json").write_text(f'{{"name": "f", "version": "1.0.0", "dependencies": {dependency}}}')

    packages = packager.node(function, lambda _: None)

    assert set(packages.files) >= {"node_modules/left/package.json"}
    assert not (tmp_path / "trace").exists()
