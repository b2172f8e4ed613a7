"""The folder that sandboxes see parts of."""

import os
import stat
from pathlib import Path

import pytest

from nanogrid.errors import ConfigError, SandboxUnavailable
from nanogrid.sandbox.identities import Identity
from nanogrid.sandbox.workspace import link_tree, make_tmp, open_workspace, publish, remove_tree

_STRANGER = 1_999_999_999
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


def open_within(data: Path):
    return open_workspace(data, os.geteuid(), elsewhere=data / "nowhere")


def test_it_lies_in_the_data_folder_where_nothing_else_can_be_used(tmp_path: Path) -> None:
    workspace = open_within(tmp_path)
    workspace.close()

    assert workspace.root == tmp_path / "workspace"
    assert modes(workspace.root) == [0o711]


def test_it_lies_apart_so_that_its_name_says_nothing_and_is_gone_afterwards(tmp_path: Path) -> None:
    workspace = _apart(tmp_path)
    there = workspace.root.exists()
    workspace.close()

    assert workspace.root.parent == tmp_path / "elsewhere"
    assert there
    assert not workspace.root.exists()


def test_after_a_crash_the_same_folder_is_used_again(tmp_path: Path) -> None:
    crashed = _apart(tmp_path)
    os.close(crashed._lock)

    again = _apart(tmp_path)
    again.close()

    assert again.root == crashed.root


def test_a_remembered_folder_that_is_a_link_now_is_not_trusted(tmp_path: Path) -> None:
    crashed = _apart(tmp_path)
    os.close(crashed._lock)
    remove_tree(crashed.root)
    crashed.root.symlink_to(tmp_path)

    again = _apart(tmp_path)
    again.close()

    assert again.root != crashed.root


def test_what_a_crashed_grid_left_is_removed_when_its_data_folder_is_gone(tmp_path: Path) -> None:
    crashed = _apart(tmp_path)
    os.close(crashed._lock)
    remove_tree(tmp_path / "data")

    _apart(tmp_path).close()

    assert not crashed.root.exists()


def test_two_grids_do_not_share_one(tmp_path: Path) -> None:
    workspace = open_within(tmp_path)
    with pytest.raises(SandboxUnavailable, match="another grid"):
        open_within(tmp_path)

    workspace.close()


def test_a_data_folder_that_functions_could_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="below /usr"):
        open_within(Path("/usr/share/nanogrid"))


def test_the_runtimes_are_a_fresh_readable_copy_without_bytecode(tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "package" / "__pycache__").mkdir(parents=True)
    for name in ("python.py", "package/part.py", "package/__pycache__/part.cpython-311.pyc"):
        (given / name).write_text("x")
    workspace = open_within(tmp_path)
    workspace.prepare(given)
    (workspace.runtimes / "stale.py").touch()
    workspace.prepare(given)
    workspace.close()

    files = {str(file.relative_to(workspace.runtimes)) for file in workspace.runtimes.rglob("*") if file.is_file()}
    assert files == {"python.py", "package/part.py"}
    assert modes(workspace.runtimes / "python.py", workspace.runtimes, workspace.slots) == [0o444, 0o755, 0o711]


@needs_root
def test_a_slot_belongs_to_its_own_user(tmp_path: Path) -> None:
    workspace = open_within(tmp_path)
    workspace.prepare(tmp_path)
    slot = workspace.open_slot(3, Identity(uid=_STRANGER, gid=_STRANGER))
    make_tmp(slot)
    owners = [(path.stat().st_uid, path.stat().st_gid) for path in (slot.folder, slot.tmp)]
    workspace.close()

    assert modes(slot.folder, slot.code, slot.tmp) == [0o710, 0o755, 0o700]
    assert owners == [(0, _STRANGER), (_STRANGER, _STRANGER)]


def test_a_slot_is_empty_whatever_lay_there(tmp_path: Path) -> None:
    workspace = open_within(tmp_path)
    workspace.prepare(Path(__file__).parent)
    (workspace.open_slot(0, None).code / "left").touch()
    slot = workspace.open_slot(0, None)
    workspace.close()

    assert list(slot.code.iterdir()) == []


@pytest.mark.parametrize("copy", [False, True])
def test_code_is_linked_or_copied_with_its_rights(tmp_path: Path, *, copy: bool) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    for name, mode in (("main.py", 0o444), ("sub/run.sh", 0o555)):
        (source / name).touch()
        (source / name).chmod(mode)

    steps = sum(1 for _ in link_tree(source, target, copy=copy))

    assert steps == 2
    assert modes(target / "main.py", target / "sub" / "run.sh", target / "sub") == [0o444, 0o555, 0o755]
    assert (target / "main.py").samefile(source / "main.py") is not copy


def test_links_in_a_code_folder_are_not_followed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "passwd").symlink_to("/etc/passwd")

    list(link_tree(source, target))

    assert list(target.iterdir()) == []


def test_a_tree_is_removed_however_deep_and_locked_it_is(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _dig(root, 1500)
    (root / "locked" / "inner").mkdir(parents=True)
    (root / "locked").chmod(0)

    remove_tree(root)

    assert not root.exists()


def test_removing_a_tree_leaves_alone_what_its_links_point_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "root" / "sub").mkdir(parents=True)
    for link in ("root/link", "root/sub/link"):
        (tmp_path / link).symlink_to(kept)

    remove_tree(tmp_path / "root")

    assert (kept / "file").exists()
    assert not (tmp_path / "root").exists()


def test_a_published_file_can_be_read_by_all_and_changed_by_nobody(tmp_path: Path) -> None:
    source = tmp_path / "tool"
    source.touch(0o700)

    publish(source, tmp_path / "bin" / "deep" / "tool")

    assert modes(tmp_path / "bin" / "deep" / "tool") == [0o555]


def _apart(tmp_path: Path):
    """A workspace for somebody who can't reach the data folder."""
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir(mode=0o700, exist_ok=True)
    elsewhere.mkdir(exist_ok=True)
    return open_workspace(data, _STRANGER, elsewhere=elsewhere)


def _dig(root: Path, depth: int) -> None:
    """Folders so deep that their path is too long to be named at once."""
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
