"""The walls are what the policy says, seen from outside on a running sandbox."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from outside import look, tree, zygotes
from posture import posture

T = TypeVar("T")
HERE = Path(__file__).parent
WITNESS = """
import os

def handler(event, context):
    return os.readlink("/proc/self/ns/mnt")
"""

#: Containers have a policy and a test of their own.
pytestmark = pytest.mark.parametrize("attacked", ["bubblewrap"], indirect=True)


@pytest.fixture
def policy(attacked) -> dict:
    return json.loads((HERE / f"posture_{attacked.driver}.json").read_text())


def test_a_running_sandbox_stands_as_the_policy_says(attacked, policy):
    runtime = _sandbox_of_a_witness(attacked)[-1]

    assert posture(runtime) == policy["runtime"]


def test_a_sandbox_consists_of_these_processes_and_none_is_root(attacked, policy):
    processes = _sandbox_of_a_witness(attacked)

    assert [Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes] == policy["processes"]
    assert all(posture(pid)["runs as root"] is False for pid in processes)


def test_no_process_of_a_sandbox_carries_the_platforms_environment_or_names_its_folders(attacked):
    pids = [pid for processes in _sandboxes(attacked) for pid in processes]
    seen = b"".join(_each(pids, lambda pid: Path(f"/proc/{pid}/environ").read_bytes()))
    seen += b"".join(_each(pids, lambda pid: Path(f"/proc/{pid}/cmdline").read_bytes()))

    assert str(attacked.grid.data).encode() not in seen
    assert b"HOME=" not in seen


def test_sandboxes_share_no_namespace_with_each_other(attacked):
    runtimes = [processes[-1] for processes in _sandboxes(attacked)]
    found = _each(runtimes, lambda pid: [_namespace(pid, name) for name in ("mnt", "pid", "net", "ipc")])
    namespaces = [namespace for sandbox in found for namespace in sandbox]

    assert len(found) > 1
    assert len(set(namespaces)) == len(namespaces)


def test_what_sandboxes_are_forks_of_is_no_root_and_sees_nothing_of_the_platform(attacked):
    (zygote,) = zygotes(attacked.grid.pid)
    seen = posture(zygote)

    assert seen["runs as root"] is False
    assert seen["no_new_privs"] == "1"
    assert set(seen["namespaces of its own"]) >= {"ipc", "mnt", "net", "user", "uts"}
    assert seen["descriptors"] == {"/dev/null": 2, "pipe": 2, "socket": 1}
    assert seen["environment"] == ["PWD"]
    assert not Path(f"/proc/{zygote}/root{attacked.grid.data}").exists()


def _sandbox_of_a_witness(attacked) -> list[int]:
    """The processes of one that nothing has been done in; it says by itself which it is."""
    attacked.deploy("witness", source=WITNESS)
    namespace = attacked.run("witness", None)["output"]
    sandboxes = {processes[-1]: processes for processes in _sandboxes(attacked)}
    (found,) = [pid for pid, own in _each(sandboxes, lambda pid: (pid, _namespace(pid, "mnt"))) if own == namespace]
    return sandboxes[found]


def _namespace(pid: int, name: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{name}").readlink())


def _each(pids: Iterable[int], read: Callable[[int], T]) -> list[T]:
    """What is read of each; spares come and go meanwhile, and nothing is read of what has gone."""
    found = []
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(read(pid))
    return found


def _sandboxes(attacked) -> list[list[int]]:
    return [tree(outermost) for outermost in look(attacked.grid.pid, attacked.grid.data, attacked.driver).sandboxes]
