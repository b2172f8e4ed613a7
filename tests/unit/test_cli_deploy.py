"""`nanogrid deploy`: from a path to a function."""

import json
import sys

import pytest
from fake_grid import FakeGrid
from test_packaging import make_wheel
from typer.testing import CliRunner

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app

HANDLER = "def handler(event, context):\n    return event\n"


def call(grid, *arguments, environ=None):
    app = make_app(environ=environ or {}, connect=grid.blocking)
    return CliRunner().invoke(app, ["deploy", *map(str, arguments)])


@pytest.fixture
def hello(tmp_path):
    (tmp_path / "hello.py").write_text(HANDLER)
    return tmp_path / "hello.py"


def test_what_was_guessed_is_said(hello):
    done = call(FakeGrid(), hello)

    assert done.exit_code == ExitCode.OK
    assert done.stdout.splitlines()[0] == "Deployed hello, version 1, python3"
    assert "runtime python3: there is hello.py" in done.stdout
    assert "handler hello.handler: the only one" in done.stdout
    assert "1 file, 100 bytes packed" in done.stdout


def test_a_second_deployment_updates(hello):
    grid = FakeGrid()

    call(grid, hello)
    done = call(grid, hello)

    assert done.stdout.startswith("Updated hello, version 2")


def test_settings_reach_the_grid(hello):
    grid = FakeGrid()
    options = ["--name", "other", "--memory", "256", "--timeout", "2m", "--concurrency", "3", "--retries", "1"]

    call(grid, hello, *options, "--network", "outbound", "--env", "A=b=c", "--env", "HOME", environ={"HOME": "/h"})

    sent = grid.functions["other"]
    assert (sent["memoryMb"], sent["timeoutMs"], sent["concurrency"], sent["retries"]) == (256, 120_000, 3, 1)
    assert (sent["network"], sent["environment"]) == ("outbound", {"A": "b=c", "HOME": "/h"})


# time as written, in milliseconds
@pytest.mark.parametrize(("text", "milliseconds"), [("30", 30_000), ("500ms", 500), ("1.5s", 1500), ("1h", 3_600_000)])
def test_a_time_limit_is_written_with_or_without_its_unit(hello, text, milliseconds):
    grid = FakeGrid()

    call(grid, hello, "--timeout", text)

    assert grid.functions["hello"]["timeoutMs"] == milliseconds


# options that cannot be, how the command ends
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--timeout", "soon"], ExitCode.USAGE),
        (["--memory", "much"], ExitCode.USAGE),
        (["--network", "lan"], ExitCode.USAGE),
        (["--env", "NOWHERE"], ExitCode.REFUSED),
    ],
)
def test_an_impossible_option_sends_nothing(hello, options, code):
    grid = FakeGrid()

    done = call(grid, hello, *options)

    assert done.exit_code == code
    assert grid.functions == {}


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path):
    assert call(FakeGrid(), tmp_path / "nowhere.py").exit_code == ExitCode.USAGE


def test_one_executable_becomes_a_command(tmp_path):
    (tmp_path / "count").write_text("#!/bin/sh\nwc -c\n")
    grid = FakeGrid()

    call(grid, tmp_path / "count", "--runtime", "command", "--handler", "count")

    assert (grid.functions["count"]["runtime"], grid.functions["count"]["handler"]) == ("command", "count")


def test_with_json_the_function_is_all_of_stdout(hello):
    assert json.loads(call(FakeGrid(), hello, "--json").stdout)["name"] == "hello"


def test_a_folders_requirements_travel_with_it_for_one_exact_runtime(tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "main.py").write_text(HANDLER)
    wheel = make_wheel(tmp_path, "tiny")
    (folder / "requirements.txt").write_text(f"--no-index\n{wheel}\n")
    grid = FakeGrid()

    done = call(grid, folder, environ={"XDG_CACHE_HOME": str(tmp_path / "cache")})

    assert "1 package from requirements.txt" in done.stdout
    assert "Resolving" in done.stderr
    assert grid.functions["report"]["runtime"] == f"python3.{sys.version_info.minor}"
    assert {"main.py", "tiny/__init__.py"} <= set(grid.code("report"))


def test_no_deps_takes_the_files_as_they_are(tmp_path):
    (tmp_path / "main.py").write_text(HANDLER)
    (tmp_path / "requirements.txt").write_text("nowhere-to-be-found")
    grid = FakeGrid()

    call(grid, tmp_path, "--no-deps", "--name", "plain")

    assert set(grid.code("plain")) == {"main.py", "requirements.txt"}
