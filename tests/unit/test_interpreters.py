"""Which interpreters are offered, and why others are not."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from nanogrid.sandbox.access import can_enter, can_execute, can_read
from nanogrid.sandbox.interpreters import Interpreter, find_interpreters

_STRANGER = 1_999_999_999
_NOTHING = Path("/nonexistent")


def install_python(prefix: Path, minor: int) -> Path:
    """Something that looks like a Python installation."""
    (prefix / "bin").mkdir(parents=True, exist_ok=True)
    (prefix / "lib" / f"python3.{minor}" / "encodings").mkdir(parents=True)
    (prefix / "lib" / f"python3.{minor}" / "encodings" / "__init__.py").touch()
    return _program(prefix / "bin" / f"python3.{minor}")


def _program(path: Path, content: bytes = b"\x7fELF") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def find(prefix: Path, uid: int | None = None, search_path: str = ""):
    return find_interpreters(
        os.geteuid() if uid is None else uid, search_path=search_path, own_prefix=prefix, system=()
    )


def test_the_newest_python_comes_first_and_programs_run_on_it(tmp_path: Path) -> None:
    for minor in (9, 12, 11):
        install_python(tmp_path, minor)

    offer = find(tmp_path)

    assert offer.runtimes() == ["python3.12", "python3.11", "python3.9", "command", "provided"]
    assert offer.interpreters[-1].executable == tmp_path / "bin" / "python3.12"


def test_outside_of_usr_it_is_seen_with_its_library_and_nothing_else(tmp_path: Path) -> None:
    program = install_python(tmp_path, 12)

    (python, *_) = find(tmp_path).interpreters

    assert python.binds == [program, tmp_path / "lib"]


def test_a_link_is_followed_to_the_real_installation(tmp_path: Path) -> None:
    program = install_python(tmp_path / "real", 12)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.12").symlink_to(program)

    assert find(tmp_path).interpreters[0].executable == program


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda prefix: (prefix / "bin" / "python3.12").write_text("#!/bin/sh"), "a script"),
        (lambda prefix: shutil.rmtree(prefix / "lib"), "can't read its library"),
        (lambda prefix: (prefix / "bin" / "python3.12").chmod(0o600), "can't read or start it"),
    ],
)
def test_what_cannot_run_is_rejected_with_the_reason(tmp_path: Path, spoil, reason: str) -> None:
    install_python(tmp_path, 12)
    spoil(tmp_path)

    offer = find(tmp_path)

    assert offer.runtimes() == []
    assert reason in offer.rejected[0].reason
    assert any(line.startswith("not used: ") and reason in line for line in offer.describe())


def test_a_python_too_old_for_the_runtime_is_rejected(tmp_path: Path) -> None:
    install_python(tmp_path, 7)

    assert find(tmp_path).rejected[0].reason == "older than Python 3.8"


def test_what_the_sandboxes_user_cannot_reach_is_rejected(tmp_path: Path) -> None:
    install_python(tmp_path, 12)
    tmp_path.chmod(0o700)

    assert find(tmp_path, uid=_STRANGER).runtimes() == []


def test_node_is_the_first_real_one_on_the_path(tmp_path: Path) -> None:
    shim = _program(tmp_path / "shims" / "node", b"#!/usr/bin/env bash")
    real = _program(tmp_path / "real" / "node")

    offer = find(_NOTHING, search_path=f"{shim.parent}:{real.parent}")

    assert [(one.runtime, one.executable, one.binds) for one in offer.interpreters] == [("nodejs", real, [real])]
    assert offer.rejected[0].path == shim


def test_an_interpreter_is_called_with_its_program_and_the_control_socket() -> None:
    python = Interpreter(runtime="python3.12", executable=Path("/usr/bin/p"), options=["-I"], program="python.py")

    assert python.command(Path("/nanogrid"), 7) == ["/usr/bin/p", "-I", "/nanogrid/python.py", "7"]


def test_a_stranger_needs_every_folder_on_the_way(tmp_path: Path) -> None:
    file = tmp_path / "open" / "file"
    file.parent.mkdir()
    file.touch(0o644)
    tmp_path.chmod(0o711)
    closed = [path for path in tmp_path.parents if not stat.S_IMODE(path.stat().st_mode) & 0o001]

    assert can_read(file, _STRANGER) == can_enter(file.parent, _STRANGER) == (not closed)
    assert not can_execute(file, _STRANGER)
    assert not can_read(file / "missing", _STRANGER)
