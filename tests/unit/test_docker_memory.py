"""A container's memory group, in both versions and where it is not ours."""

import pytest

from nanogrid.sandbox.docker_memory import find_memory_group, is_first_of

#: Version, the process's line, the group's folder, its files before.
GROUPS = {
    "v1": (
        "4:memory:/docker/abc",
        "memory/docker/abc",
        {"memory.limit_in_bytes": "1", "memory.memsw.limit_in_bytes": "1", "memory.oom_control": "oom_kill 0\n"},
    ),
    "v2": ("0::/docker/abc", "docker/abc", {"memory.max": "1", "memory.events": "low 0\noom_kill 0\n"}),
    "systemd": ("0::/system.slice/docker-abc.scope", "system.slice/docker-abc.scope", {"memory.max": "1"}),
}


@pytest.fixture
def place(tmp_path):
    def make(name):
        line, folder, files = GROUPS[name]
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "cgroup").write_text(f"9:cpu,cpuacct:/elsewhere\n{line}\n")
        (tmp_path / folder).mkdir(parents=True)
        for file, content in files.items():
            (tmp_path / folder / file).write_text(content)
        return find_memory_group(7, proc=tmp_path, root=tmp_path), tmp_path / folder

    return make


@pytest.mark.parametrize(
    ("name", "limits"), [("v1", ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]), ("v2", ["memory.max"])]
)
def test_a_limit_is_raised_for_memory_and_swap(place, name, limits):
    group, folder = place(name)

    assert group.raise_limit(4096)
    assert [(folder / limit).read_text() for limit in limits] == ["4096"] * len(limits)


def test_a_group_that_systemd_keeps_is_left_to_the_engine(place):
    group, folder = place("systemd")

    assert not group.raise_limit(4096)
    assert (folder / "memory.max").read_text() == "1"


@pytest.mark.parametrize(("name", "file"), [("v1", "memory.oom_control"), ("v2", "memory.events")])
def test_a_kill_for_want_of_memory_shows(place, name, file):
    group, folder = place(name)
    before = group.out_of_memory()
    (folder / file).write_text("under_oom 0\noom_kill 1\n")

    assert (before, group.out_of_memory()) == (False, True)


def test_a_group_that_is_gone_says_nothing(place):
    group, folder = place("v2")
    for file in folder.iterdir():
        file.unlink()

    assert not group.out_of_memory()


def test_a_process_that_is_counted_otherwise_is_somebody_elses(place, tmp_path):
    place("v2")

    assert is_first_of(7, "abc", proc=tmp_path)
    assert not is_first_of(7, "other", proc=tmp_path)
    assert not is_first_of(8, "abc", proc=tmp_path)
    assert find_memory_group(8, proc=tmp_path, root=tmp_path) is None
