"""The command that lists and saves what a run left."""

import json

import httpx
import pytest
from fake_grid import FakeGrid
from typer.testing import CliRunner

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app
from nanogrid.identifiers import new_run_id

RUN = new_run_id()
REPORT = {"path": "reports/a b.csv", "size": 3, "sha256": "a" * 64}


def call(grid, *arguments):
    return CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["artifacts", RUN, *arguments])


def answering(items, *contents):
    grid = FakeGrid()
    grid.answers += [httpx.Response(200, json={"items": items})]
    grid.answers += [httpx.Response(200, content=content) for content in contents]
    return grid


def test_files_are_listed_with_their_sizes():
    done = call(answering([REPORT]))

    assert done.stdout.splitlines()[1].split("  ")[0] == "reports/a b.csv"
    assert "3 bytes" in done.stdout


def test_json_is_the_list():
    assert json.loads(call(answering([REPORT]), "--json").stdout) == [REPORT]


def test_files_are_saved_by_their_paths(tmp_path):
    grid = answering([REPORT], b"1,2")
    done = call(grid, "--download", str(tmp_path / "new"))

    assert (tmp_path / "new" / "reports" / "a b.csv").read_bytes() == b"1,2"
    assert done.stdout.strip() == str(tmp_path / "new" / "reports" / "a b.csv")
    assert grid.requests[1].url.raw_path == f"/runs/{RUN}/artifacts/reports/a%20b.csv".encode()


def test_a_link_in_the_folder_is_replaced_and_not_written_through(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "a b.csv").symlink_to(tmp_path / "precious")
    call(answering([REPORT], b"1,2"), "--download", str(tmp_path))

    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "reports" / "a b.csv").read_bytes() == b"1,2"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", "a//b", "C:x", "a\\..\\x"])
def test_a_path_that_leads_out_of_the_folder_is_not_written(tmp_path, path):
    (tmp_path / "into").mkdir()
    done = call(answering([REPORT | {"path": path}], b"x"), "--download", str(tmp_path / "into"))

    assert done.exit_code == ExitCode.USAGE
    assert [one.name for one in tmp_path.rglob("*")] == ["into"]


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    done = call(answering([REPORT], b"x"), "--download", str(tmp_path / "file"))

    assert done.exit_code == ExitCode.USAGE
    assert "cannot be written" in done.stderr


def test_a_run_that_left_nothing_is_an_empty_list():
    assert call(answering([])).stdout == ""
    assert json.loads(call(answering([]), "--json").stdout) == []
