"""A worker's probes, and systemd, over real sockets."""

import asyncio
import io
import os
import socket

import httpx
import pytest

from nanogrid.cloud.loopback import serving
from nanogrid.cloud.worker.notify import Notifier
from nanogrid.cloud.worker.probes import probes
from nanogrid.observe import make_log


async def numbers() -> bytes:
    return b"nanogrid_runs_total 1.0\n"


async def test_probes_tell_whether_it_lives_whether_it_takes_tasks_and_its_numbers():
    reason: str | None = None

    async def why_not_ready() -> str | None:
        return reason

    async with serving(probes(why_not_ready, numbers)) as port, httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{port}"
        live, ready, metrics, other, post = [
            await http.request(method, url + path)
            for method, path in [
                ("GET", "/health/live"),
                ("GET", "/health/ready"),
                ("GET", "/metrics?now"),
                ("GET", "/"),
                ("POST", "/metrics"),
            ]
        ]
        reason = "it drains: scale_in"
        draining = await http.get(url + "/health/ready")

    assert (live.status_code, ready.status_code, other.status_code, post.status_code) == (200, 200, 404, 405)
    assert metrics.content == b"nanogrid_runs_total 1.0\n"
    assert (draining.status_code, draining.text) == (503, "it drains: scale_in\n")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000,
        b"GET /" + b"a" * 100_000,
    ],
)
async def test_rubbish_ends_its_own_connection_and_nothing_else(rubbish):
    async with serving(probes(numbers, numbers)) as port, httpx.AsyncClient(trust_env=False) as http:  # type: ignore[arg-type]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(rubbish)
        try:
            ended = await reader.read()
        except ConnectionError:
            ended = b""
        writer.close()
        live = await http.get(f"http://127.0.0.1:{port}/health/live")

    assert ended == b""
    assert live.status_code == 200


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_of_start_and_stop(tmp_path, abstract):
    log = make_log("json", io.StringIO())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        name = f"nanogrid-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
        systemd.bind("\0" + name if abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": "@" + name if abstract else name}, log)
        notifier.ready("takes tasks")
        notifier.stopping("it drains")
        said = [systemd.recv(1000), systemd.recv(1000)]

    assert said == [b"READY=1\nSTATUS=takes tasks", b"STOPPING=1\nSTATUS=it drains"]


def test_where_systemd_is_not_there_nothing_is_said_and_nothing_fails(tmp_path):
    written = io.StringIO()
    Notifier({}, make_log("json", written)).ready("takes tasks")
    silent = written.getvalue()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}, make_log("json", written)).ready("takes tasks")

    assert silent == ""
    assert "worker.notify_failed" in written.getvalue()
