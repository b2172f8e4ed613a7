"""The walls of a container are what the policy says, seen from outside on a running one."""

import json
import os
from pathlib import Path

import pytest
from outside import tree
from posture import posture

from docker_cells import needs_docker, started_inmate

pytestmark = [
    *needs_docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root sees all of another user's process"),
]
POLICY = json.loads((Path(__file__).parent / "posture_docker.json").read_text())


async def test_a_running_container_stands_as_the_policy_says(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        processes = tree(inmate.cell.first)
        seen = posture(processes[-1])
        # Docker mounts without nosuid, and no_new_privs does the same for the process. What is masked can't be reached.
        del seen["setuid programs count"]
        seen["writable mounts"] = {place: kind for place, kind in seen["writable mounts"].items() if not _masked(place)}

        assert seen == POLICY["runtime"]
        assert [_read(pid, "comm").decode().strip() for pid in processes] == POLICY["processes"]
        assert all(posture(pid)["runs as root"] is False for pid in processes)


async def test_no_process_of_a_container_names_our_folders(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        seen = b"".join(
            _read(pid, name) for pid in tree(inmate.cell.first) for name in ("environ", "cmdline", "mountinfo")
        )

    assert str(tmp_path).encode() not in seen
    assert b"HOSTNAME=" not in seen


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _masked(place: str) -> bool:
    return place.startswith(("/sys/", "/dev/mqueue"))
