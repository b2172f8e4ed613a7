"""Faults that other function platforms had, each kept as an attack through the front door."""

import base64
import io
import stat
import zipfile

import httpx
import pytest

QUICK = "def handler(event, context):\n    return event\n"


def archive(*entries: zipfile.ZipInfo) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("main.py", QUICK)
        for entry in entries:
            written.writestr(entry, "/etc/passwd")
    return base64.b64encode(buffer.getvalue()).decode()


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def ask(attacked, method: str, path: str, **fields: object) -> httpx.Response:
    return httpx.request(
        method, attacked.grid.url + path, **{"headers": attacked.grid.headers, "timeout": 60, **fields}
    )


@pytest.mark.parametrize(
    "entry",
    [
        zipfile.ZipInfo("../planted.py"),  # up and out
        zipfile.ZipInfo("../code-of-another/planted.py"),  # a sibling whose name begins alike
        zipfile.ZipInfo("/var/planted.py"),  # absolute
        link("output/passwd"),  # a link that the platform would follow when it reads the folder back
    ],
    ids=lambda entry: entry.filename,
)
def test_an_archive_that_points_elsewhere_is_refused_and_says_why(attacked, entry):
    body = {"name": "museum", "runtime": "python3", "zip": archive(entry)}
    answer = ask(attacked, "POST", "/functions", json=body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "archive_refused"
    assert attacked.damage() == []


@pytest.mark.parametrize("name", ["; touch /tmp/planted", "$(touch /tmp/planted)", "../planted", "a\nplanted", "-rf"])
def test_a_name_that_a_shell_would_run_is_refused(attacked, name):
    answer = ask(attacked, "POST", "/functions", json={"name": name, "runtime": "python3", "source": QUICK})

    assert answer.status_code == 422
    assert attacked.damage() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/functions"),
        ("DELETE", "/functions/neighbour"),
        ("GET", "/runs"),
        ("GET", "/functions/neighbour/logs"),
        ("GET", "/dead-letters"),
        ("GET", "/metrics"),
        ("POST", "/run"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guessed"}], ids=["no token", "a wrong token"])
def test_every_door_asks_for_the_token(attacked, method, path, headers):
    assert ask(attacked, method, path, headers=headers).status_code == 401


def test_an_unknown_run_is_not_pending_but_unknown(attacked):
    answer = ask(attacked, "GET", "/runs/run_00000000000000000000000000")

    assert answer.status_code == 404


def test_a_result_that_is_there_at_once_is_never_missed(attacked):
    attacked.deploy("quick", source=QUICK)
    runs = [attacked.run("quick", number) for number in range(300)]

    assert [run["output"] for run in runs] == list(range(300))


def test_log_lines_survive_every_boundary_of_a_buffer(attacked):
    lines = [f"{number:04} " + "x" * (number % 300) for number in range(1000)]
    attacked.deploy("writer", source="def handler(event, context):\n    for line in event:\n        print(line)\n")
    run = attacked.run("writer", lines)

    assert run["logs"]["text"].splitlines() == lines
    assert run["logs"]["truncated"] is False


def test_a_function_cannot_write_its_own_bill(attacked):
    """It may say of its memory what it likes; time is measured outside, and so it must be."""
    source = (
        "import sys, time\n"
        "def handler(event, context):\n"
        "    time.time = time.monotonic = time.perf_counter = lambda: 0.0\n"
        "    sys.modules['__main__'].monotonic = lambda: 0.0\n"
        "    deadline = __import__('os').times().elapsed + 0.3\n"
        "    while __import__('os').times().elapsed < deadline: pass\n"
    )
    attacked.deploy("forger", source=source)

    assert attacked.run("forger", {})["usage"]["durationMs"] >= 250


def test_code_that_is_deaf_to_a_time_limit_inside_the_process_is_ended_from_outside(attacked):
    source = "def handler(event, context):\n    return sum(1 for _ in iter(int, 1))\n"
    attacked.deploy("deaf", source=source, timeoutMs=300)
    run = attacked.run("deaf", {})

    assert run["error"]["kind"] == "timed_out"
    assert attacked.damage() == []
