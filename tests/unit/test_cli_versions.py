"""The commands about versions and aliases: what they ask the grid for, and what they print."""

import httpx
import pytest
from fake_grid import NOW, FakeGrid
from typer.testing import CliRunner

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app

ALIAS = {"alias": "live", "version": 2, "weights": {"1": 0.25}, "updatedAt": NOW}


def call(grid, *arguments):
    return CliRunner().invoke(make_app(environ={}, connect=grid.blocking), arguments)


def answering(*answers):
    grid = FakeGrid()
    grid.answers += [httpx.Response(200, json=answer) for answer in answers]
    return grid


def test_versions_are_listed_latest_first():
    function = FakeGrid().add("price")
    done = call(answering({"items": [function | {"version": 2}, function]}), "versions", "price")

    assert [line.split()[0] for line in done.stdout.splitlines()] == ["VERSION", "2", "1"]


@pytest.mark.parametrize(("version", "body"), [((), {}), (("1",), {"version": 1})])
def test_rollback_says_where_the_function_is_now(version, body):
    grid = answering(FakeGrid().add("price") | {"version": 3})

    done = call(grid, "rollback", "price", *version)

    assert done.stdout.startswith("price is at version 3")
    assert grid.asked() == body
    assert grid.requests[0].url.path == "/functions/price/rollback"


def test_setting_an_alias_says_what_it_means_and_how_long_that_took():
    grid = answering(ALIAS | {"warmMs": 12.0})

    done = call(grid, "alias", "set", "price", "live", "2", "--weight", "1=0.25")

    assert done.stdout == "price:live is version 2, 0.25 of runs version 1, warm after 12 ms.\n"
    assert grid.asked() == {"version": 2, "weights": {"1": 0.25}}


def test_a_weight_that_is_none_is_a_usage_error():
    grid = answering()

    done = call(grid, "alias", "set", "price", "live", "2", "--weight", "half")

    assert done.exit_code == ExitCode.USAGE
    assert grid.requests == []


def test_aliases_are_listed_and_deleted():
    grid = answering({"items": [ALIAS]}, None)

    listed, deleted = call(grid, "alias", "list", "price"), call(grid, "alias", "rm", "price", "live")

    assert "version 2, 0.25 of runs version 1" in listed.stdout
    assert deleted.stdout == "Deleted price:live.\n"
    assert (grid.requests[-1].method, grid.requests[-1].url.path) == ("DELETE", "/functions/price/aliases/live")


RECOMMENDED = {"memoryMb": 512, "timeoutMs": 30_000, "recommendedMemoryMb": 144, "recommendedTimeoutMs": 2_000}


def test_tuning_shows_what_is_recommended_and_changes_nothing():
    grid = answering(FakeGrid().add("price") | RECOMMENDED)

    done = call(grid, "tune", "price")

    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["memory", "512", "MB", "144", "MB"],
        ["timeout", "30.0", "s", "2000", "ms"],
    ]
    assert [request.method for request in grid.requests] == ["GET"]


def test_tuning_that_is_applied_makes_a_version_with_what_is_recommended():
    function = FakeGrid().add("price") | RECOMMENDED
    grid = answering(function, function, function | {"version": 2})

    done = call(grid, "tune", "price", "--apply")

    assert done.stdout.endswith("price is at version 2 with these.\n")
    assert grid.asked() == {"memoryMb": 144, "timeoutMs": 2_000}


def test_what_is_as_recommended_already_is_left_alone():
    function = FakeGrid().add("price") | RECOMMENDED | {"memoryMb": 144, "timeoutMs": 2_000}
    grid = answering(function, function)

    done = call(grid, "tune", "price", "--apply")

    assert done.exit_code == ExitCode.OK
    assert [request.method for request in grid.requests] == ["GET", "GET"]


def test_without_runs_there_is_nothing_to_apply():
    grid = answering(FakeGrid().add("price"), FakeGrid().add("price"))

    done = call(grid, "tune", "price", "--apply")

    assert done.exit_code == ExitCode.REFUSED
    assert "Run it some times" in done.stderr
