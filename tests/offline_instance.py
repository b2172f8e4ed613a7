"""A worker's instance that reaches nothing but itself: no network, an engine without images, files of its own.

Run as root in namespaces of its own (network, mounts, processes), see `test_offline_worker.py`. The emulated AWS runs
inside, so that what the instance gets of it is all that it gets. What Amazon Linux brings along has stand-ins.
"""

import asyncio
import base64
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3

from nanogrid.client.asynchronous import AsyncClient
from nanogrid.cloud.emulator import EmulatedAws, open_emulator
from nanogrid.cloud.loopback import free_port
from nanogrid.cloud.rehearsal.redis_server import open_redis

SOURCE = "def handler(event, context):\n    return {'hello': event['name']}\n"
ENGINE = Path("/run/docker.sock")
_STEP_S = 0.1
#: What Amazon Linux has, and how it is played. Each call is written down.
_STAND_INS = {
    "dnf": "",
    "systemctl": "",
    "shutdown": "",
    # aws s3 cp --quiet --region REGION s3://BUCKET/KEY -
    "aws": f"""exec {sys.executable} -c '
import os, shutil, sys, urllib.request
address = os.environ["AWS_ENDPOINT_URL"] + "/" + sys.argv[1].removeprefix("s3://")
shutil.copyfileobj(urllib.request.urlopen(address), sys.stdout.buffer)' "$6"
""",
}


def own_files(folder: Path) -> Path:
    """Let nothing that is written leave a trace on the machine; the folder of the stand-ins."""
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    _call("mount", "--bind", folder / "etc", "/etc")
    for place in ("/opt", "/run", "/var/lib", "/var/log"):
        _call("mount", "-t", "tmpfs", "own", place)
    agent = Path("/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl")
    agent.parent.mkdir(parents=True)
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    for name, does in _STAND_INS.items():
        _write_program(stand_ins / name, f'echo "{name} $*" >> {folder}/called\n{does}')
    _write_program(agent, "")
    return stand_ins


def reaches_out() -> bool:
    """Whether there is a way out of here: where there is none, an address elsewhere is refused at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        return asking.connect_ex(("192.0.2.1", 443)) == 0


@contextmanager
def engine(folder: Path) -> Iterator[None]:
    """A Docker engine that has never seen an image."""
    # Started apart: the engine itself would give its containerd 15 seconds, which a busy machine may need more than.
    containers = folder / "containerd.sock"
    below = ["--address", containers, "--root", folder / "containers", "--state", folder / "state"]
    places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "docker.pid"]
    no_network = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    listening = ["--host", f"unix://{ENGINE}", "--containerd", containers]
    with _running(["containerd", *below], folder / "containerd.log") as first:
        _until(first, folder / "containerd.log", "ctr", "--address", str(containers), "version")
        with _running(["dockerd", *places, *listening, *no_network], folder / "docker.log") as second:
            _until(second, folder / "docker.log", "docker", "version")
            yield
    for name in ("data", "containers"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _until(process: subprocess.Popen[bytes], log: Path, *ask: str) -> None:
    """Return when this is answered."""
    while subprocess.run(ask, capture_output=True, check=False).returncode != 0:
        assert process.poll() is None, log.read_text()
        time.sleep(_STEP_S)


def deploy(aws: EmulatedAws, images: str) -> tuple[str, str]:
    """`nanogrid aws deploy --images`; the API's address here, and the token."""
    command = [sys.executable, "-m", "nanogrid", "aws", "deploy", "--yes", "--images", images]
    said = _call(*command, env=os.environ | aws.environment).stdout
    api, token = re.search(r"https://(\w+)\.", said), re.search(r"^ {2}(\S{40,})$", said, re.MULTILINE)
    assert api, said
    assert token, said
    return f"{aws.endpoint}/_aws/execute-api/{api[1]}/$default", token[1]


def boot(aws: EmulatedAws, stand_ins: Path) -> None:
    """What the launch template lets a new instance do."""
    ec2 = boto3.client(
        "ec2",
        region_name=aws.region,
        endpoint_url=aws.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateName="nanogrid-worker", Versions=["$Latest"])[
        "LaunchTemplateVersions"
    ]
    script = base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()
    path = f"{stand_ins}:{os.environ['PATH']}"
    _call("bash", "-c", script, env={"PATH": path, "HOME": "/root", "AWS_ENDPOINT_URL": aws.endpoint})


@contextmanager
def unit(aws: EmulatedAws) -> Iterator[None]:
    """The worker as its unit starts it."""
    lines = Path("/etc/systemd/system/nanogrid-worker.service").read_text().splitlines()
    settings = [line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")]
    settings += Path("/etc/nanogrid/worker.env").read_text().split()
    (command,) = (line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    Path("/var/lib/nanogrid").mkdir(mode=0o700)
    environment = {"PATH": f"{os.defpath}:/usr/sbin:/sbin"} | dict(line.split("=", 1) for line in settings)
    with _running(shlex.split(command), Path("/var/log/nanogrid/worker.log"), environment | aws.environment):
        yield


@contextmanager
def _running(
    command: Sequence[object], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(list(map(str, command)), env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def main(folder: Path, images: str) -> None:
    """The whole life of an instance; what became of it, as JSON."""
    _call("ip", "link", "set", "lo", "up")
    async with (
        open_redis(folder, free_port()) as redis,
        open_emulator(folder, redis=("127.0.0.1", redis.port)) as aws,
    ):
        sys.stdout.write(json.dumps(await live(folder, images, aws)))


async def live(folder: Path, images: str, aws: EmulatedAws) -> dict[str, object]:
    """What became of it."""
    stand_ins = own_files(folder)
    with engine(folder):
        before = _images()
        url, token = deploy(aws, images)
        boot(aws, stand_ins)
        with unit(aws):
            async with AsyncClient(url, token, timeout=300, environ={}) as client:
                await client.deploy(SOURCE, name="hello", runtime="python3")
                output = await client.run("hello", {"name": "Ada"})
        return {
            "reachesOut": reaches_out(),
            "imagesBefore": before,
            "imagesAfter": _images(),
            "output": output,
            "called": _lines(folder / "called"),
        }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _images() -> list[str]:
    return _call("docker", "images", "--format", "{{.Repository}}").stdout.split()


def _write_program(path: Path, does: str) -> None:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def _call(*command: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    words = list(map(str, command))
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
