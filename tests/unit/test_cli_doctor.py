"""`nanogrid doctor`: each lack is recognised, and comes with what to do about it."""

import json
import os
import socket
from threading import Thread

import pytest
from typer.testing import CliRunner

from nanogrid.cli import doctor
from nanogrid.cli.machine import Machine
from nanogrid.cli.main import make_app


def machine(root, files=(), **environ):
    (root / "proc/self/ns").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/ns/user").touch()
    for name, text in dict(files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Machine(environ, root=root, release="6.1.0-13-amd64", uid=os.geteuid())


def only(findings):
    (finding,) = findings
    return finding


def test_every_finding_that_is_not_ok_says_what_to_do():
    findings = json.loads(CliRunner().invoke(make_app(), ["doctor", "--json"]).stdout)

    assert {"kernel", "bubblewrap", "forks", "cgroups", "docker", "node", "python", "disk"} <= {
        f["name"] for f in findings
    }
    assert all(finding["todo"] for finding in findings if finding["state"] != "ok")


# switch, its value, what to do about it
@pytest.mark.parametrize(
    ("switch", "value", "todo"),
    [
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor profile"),
        ("user/max_user_namespaces", "0", "max_user_namespaces="),
    ],
)
def test_each_switch_that_forbids_namespaces_is_named(tmp_path, switch, value, todo):
    here = machine(tmp_path, {f"proc/sys/{switch}": value})

    finding = only(doctor._namespaces(here))

    assert finding.state == "warn"
    assert todo in finding.todo
    assert doctor._why_no_sandbox(here) == finding.todo


def test_an_old_kernel_is_a_warning(tmp_path):
    old = Machine({}, root=tmp_path, release="4.19.0-20-amd64")

    assert only(doctor._kernel(old)).state == "warn"
    assert only(doctor._kernel(machine(tmp_path))).state == "ok"


def test_a_bwrap_that_fails_is_quoted(tmp_path):
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace'\nexit 1\n")
    broken.chmod(0o755)

    finding = only(doctor._bubblewrap(machine(tmp_path, PATH=f"{broken.parent}:/usr/bin:/bin")))

    assert finding.state == "fail"
    assert "No permissions to create a new namespace" in finding.detail
    assert "--sandbox process" in finding.todo


def test_in_a_container_the_advice_is_about_the_container(tmp_path):
    assert "seccomp=unconfined" in doctor._why_no_sandbox(machine(tmp_path, {".dockerenv": ""}))


# what /sys/fs/cgroup holds, the finding's state and what it says
@pytest.mark.parametrize(
    ("files", "state", "said"),
    [
        ({"sys/fs/cgroup/cgroup.controllers": "cpu memory pids"}, "ok", "v2"),
        ({"sys/fs/cgroup/cgroup.controllers": "cpu"}, "warn", "no memory controller"),
        ({"sys/fs/cgroup/memory/tasks": ""}, "ok", "v1"),
        ({}, "warn", "no memory controller"),
    ],
)
def test_cgroups_of_both_versions_are_recognised(tmp_path, files, state, said):
    finding = only(doctor._cgroups(machine(tmp_path, files)))

    assert finding.state == state
    assert said in finding.detail


def test_a_docker_daemon_that_answers_is_told_from_one_that_does_not(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nServer: Docker/1\r\nContent-Length: 2\r\n\r\nOK")

        thread = Thread(target=answer)
        thread.start()
        alive = only(doctor._docker(machine(tmp_path, DOCKER_HOST=f"unix://{path}")))
        thread.join()
    dead = only(doctor._docker(machine(tmp_path, DOCKER_HOST=f"unix://{path}", PATH="")))

    assert (alive.state, dead.state) == ("ok", "warn")
    assert "Docker/1" in alive.detail


def test_a_missing_node_is_a_warning(tmp_path):
    assert only(doctor._node(machine(tmp_path, PATH=""))).state == "warn"


def test_a_folder_that_cannot_be_written_is_a_failure(tmp_path):
    finding = only(doctor._disk(machine(tmp_path, NANOGRID_DATA="/proc/nowhere")))

    assert finding.state == "fail"
    assert "--data" in finding.todo
