"""`nanogrid aws deploy --images`: a new worker needs nothing but the artifact bucket."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import offline_instance
from aws_services import missing
from docker_cells import SOCKET, have_images, needs_docker
from nanogrid.sandbox.docker_images import image_name
from nanogrid.sandbox.engine import Engine

pytestmark = [*needs_docker, pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a machine to test on")]

#: Everything that it starts ends with it.
_ALONE = ("unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")
_WAYS = {"dnf": 1, "aws": 2, "systemctl": 3, "shutdown": 0}


async def _have_images() -> None:
    engine = Engine(SOCKET)
    await engine.agree()
    try:
        await have_images(engine)
    finally:
        await engine.close()


def test_a_worker_starts_from_the_bundle_and_its_images_without_any_network_and_runs_a_function(tmp_path: Path):
    for program in ("containerd", "ctr", "docker", "dockerd", "ip", "redis-server", "unshare"):
        if shutil.which(program) is None:
            missing(program)
    asyncio.run(_have_images())
    images = tmp_path / "images.tar"
    subprocess.run(["docker", "save", image_name("python"), "-o", str(images)], check=True)  # noqa: S607 - what there is
    command = [*_ALONE, sys.executable, offline_instance.__file__, str(tmp_path), str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    images.unlink()
    assert done.returncode == 0, done.stderr

    report = json.loads(done.stdout)
    called = [line.split()[0] for line in report["called"]]
    assert report["reachesOut"] is False
    assert (report["imagesBefore"], report["imagesAfter"]) == ([], [image_name("python")])
    assert {name: called.count(name) for name in _WAYS} == _WAYS
    assert "systemctl enable --now nanogrid-worker" in report["called"]
    assert report["output"] == {"hello": "Ada"}
