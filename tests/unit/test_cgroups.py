"""Control groups: the real ones of version 1 or 2 where we may write them, and version 2's rules on plain folders."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nanogrid.sandbox.cgroups import Cgroups, CgroupUnavailable, open_cgroups

_MB = 1024 * 1024
_FORK_UNTIL_REFUSED = """
import os, sys
try:
    for _ in range(9):
        os.fork() or sys.stdin.read()
except BlockingIOError:
    os._exit(5)
"""
_PIDS = "0::/service\n"
_MOUNTS = "30 20 0:26 / {point} rw,relatime shared:4 - cgroup2 cgroup2 rw\n"


@contextmanager
def real_cgroups() -> Iterator[Cgroups]:
    cgroups = open_cgroups(f"test-{os.getpid()}")
    if isinstance(cgroups, CgroupUnavailable):
        pytest.skip(f"no control groups: {cgroups.reason}")
    try:
        yield cgroups
    finally:
        cgroups.sweep()
        cgroups.close()


def start_inside(cgroups: Cgroups, cgroup, script: str) -> subprocess.Popen[bytes]:
    """As the spawner does: from a thread that enters the group."""
    started: list[subprocess.Popen[bytes]] = []

    def work() -> None:
        with cgroups.inside(cgroup):
            command = [sys.executable, "-I", "-S", "-c", script]
            started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    cgroup.attach(started[0].pid)
    return started[0]


def test_a_process_that_takes_too_much_is_killed_and_that_is_known() -> None:
    with real_cgroups() as cgroups:
        cgroup = cgroups.create("cell-0", max_processes=10)
        cgroup.limit_memory(32 * _MB)
        process = start_inside(cgroups, cgroup, "x = b'x' * (100 * 1024 * 1024)")
        process.communicate()

        assert process.returncode == -9
        assert cgroup.out_of_memory()


def test_a_process_that_stays_below_is_left_alone() -> None:
    with real_cgroups() as cgroups:
        cgroup = cgroups.create("cell-0", max_processes=10)
        cgroup.limit_memory(64 * _MB)
        process = start_inside(cgroups, cgroup, "x = b'x' * (10 * 1024 * 1024)")
        process.communicate()

        assert process.returncode == 0
        assert not cgroup.out_of_memory()


def test_more_processes_than_allowed_are_refused() -> None:
    with real_cgroups() as cgroups:
        cgroup = cgroups.create("cell-0", max_processes=3)
        process = start_inside(cgroups, cgroup, _FORK_UNTIL_REFUSED)
        process.wait(30)
        process.communicate()

        assert process.returncode == 5


def test_the_spawners_thread_and_everybody_else_stay_outside() -> None:
    with real_cgroups() as cgroups:
        cgroup = cgroups.create("cell-0", max_processes=10)
        process = start_inside(cgroups, cgroup, "import sys; sys.stdin.read()")
        members = cgroup.members()
        process.communicate()

        assert members == [process.pid]


def test_a_group_is_removed_when_it_is_empty_and_not_before() -> None:
    with real_cgroups() as cgroups:
        cgroup = cgroups.create("cell-0", max_processes=10)
        process = start_inside(cgroups, cgroup, "import sys; sys.stdin.read()")
        early = cgroup.remove()
        process.communicate()
        cgroups.sweep()

        assert not early
        assert not any(folder.exists() for folder in cgroup.folders)


def test_a_sweep_ends_what_a_crashed_grid_left() -> None:
    with real_cgroups() as cgroups:
        cgroup = cgroups.create("cell-0", max_processes=10)
        process = start_inside(cgroups, cgroup, "import signal; signal.pause()")
        cgroups.sweep()
        process.communicate()

        assert process.returncode == -9
        assert not any(folder.exists() for folder in cgroup.folders)


def test_what_crashed_grids_left_beside_us_is_removed_and_what_lives_stays() -> None:
    with real_cgroups() as living:
        crashed = living._memory.with_name("nanogrid-crashed")
        (crashed / "cell-0").mkdir(parents=True)
        other = open_cgroups(f"other-{os.getpid()}")
        other.close()

        assert not crashed.exists()
        assert living._memory.exists()


def version_2(tmp_path: Path, *, controllers: str = "cpu memory pids", on: str = "", members: str = "") -> Path:
    """What /proc/self says on a machine whose only tree is at `tmp_path/tree`, and our group in it."""
    group = tmp_path / "tree" / "service"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text(controllers)
    (group / "cgroup.subtree_control").write_text(on)
    (group / "cgroup.procs").write_text(members)
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text(_PIDS)
    (proc / "mountinfo").write_text(_MOUNTS.format(point=tmp_path / "tree"))
    return proc


def test_version_2_is_used_where_its_controllers_are_on(tmp_path: Path) -> None:
    cgroups = open_cgroups("grid", proc=version_2(tmp_path, on="memory pids"))

    assert isinstance(cgroups, Cgroups)
    cgroup = cgroups.create("cell-0", max_processes=9)
    cgroup.limit_memory(1000)
    folder = tmp_path / "tree" / "service" / "nanogrid-grid" / "cell-0"
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "memory.max": "1000",
        "memory.swap.max": "0",
        "pids.max": "9",
    }


def test_alone_in_our_group_we_step_aside_to_turn_the_controllers_on(tmp_path: Path) -> None:
    cgroups = open_cgroups("grid", proc=version_2(tmp_path, members=f"{os.getpid()}\n"))

    own = tmp_path / "tree" / "service"
    assert isinstance(cgroups, Cgroups)
    assert (own / "nanogrid-server" / "cgroup.procs").read_text() == str(os.getpid())
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_where_others_live_the_group_is_left_as_it_is(tmp_path: Path) -> None:
    proc = version_2(tmp_path, members=f"1\n{os.getpid()}\n")
    own = tmp_path / "tree" / "service"
    # The kernel answers "busy" here; a folder in the file's place makes the write fail as well.
    (own / "cgroup.subtree_control").unlink()
    (own / "cgroup.subtree_control").mkdir()
    found = open_cgroups("grid", proc=proc)

    assert isinstance(found, CgroupUnavailable)
    assert not (own / "nanogrid-server").exists()


@pytest.mark.parametrize(
    ("controllers", "reason"),
    [
        ("cpu memory", "does not offer: pids"),
        ("", "does not offer: memory, pids"),
    ],
)
def test_a_tree_without_the_controllers_is_a_reason_not_an_error(tmp_path: Path, controllers: str, reason: str) -> None:
    found = open_cgroups("grid", proc=version_2(tmp_path, controllers=controllers))

    assert isinstance(found, CgroupUnavailable)
    assert reason in found.reason


def test_a_machine_without_control_groups_is_a_reason_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("")
    (tmp_path / "mountinfo").write_text("")

    assert open_cgroups("grid", proc=tmp_path) == CgroupUnavailable(
        reason="the memory and pids controllers are not mounted"
    )
