"""The commands and SDK methods about keys and quotas: what they ask the grid for, and what they print."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fake_grid import NOW, FakeGrid, problem
from typer.testing import CliRunner

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app
from nanogrid.errors import KeyNotFound

KEY = {"keyId": "key_1", "name": "ci", "tenant": "default", "scopes": ["run"], "createdAt": NOW}
QUOTA = {
    "tenant": "acme",
    "quota": {"functions": 3, "backlog": 9},
    "usage": {"functions": 1, "codeBytes": 2_000_000},
}


def call(grid, *arguments):
    return CliRunner().invoke(make_app(environ={}, connect=grid.blocking), arguments)


def answering(*answers):
    grid = FakeGrid()
    grid.answers += answers
    return grid


def test_the_token_of_a_new_key_is_alone_on_stdout():
    grid = answering(httpx.Response(201, json=KEY | {"token": "ngk_secret"}))

    done = call(grid, "keys", "create", "ci", "--scope", "run", "--function", "a", "-f", "b", "--expires", "2d")

    assert (done.exit_code, done.stdout) == (ExitCode.OK, "ngk_secret\n")
    asked = grid.asked()
    ends = datetime.fromisoformat(asked.pop("expiresAt"))
    assert asked == {"name": "ci", "scopes": ["run"], "functions": ["a", "b"]}
    assert timedelta(days=1) < ends - datetime.now(UTC) <= timedelta(days=2)


def test_a_key_that_signs_is_printed_as_what_aws_tools_read():
    grid = answering(
        httpx.Response(201, json=KEY | {"token": "t", "accessKeyId": "NGAK", "secretAccessKey": "s/+"}),
    )

    done = call(grid, "keys", "create", "ci", "--scope", "run", "--aws")

    assert grid.asked() == {"name": "ci", "scopes": ["run"], "aws": True}
    lines = done.stdout.splitlines()
    assert lines[:2] == ["export AWS_ACCESS_KEY_ID=NGAK", "export AWS_SECRET_ACCESS_KEY=s/+"]
    assert lines[2].startswith("export AWS_ENDPOINT_URL_LAMBDA=http")


def test_keys_are_listed_without_tokens():
    done = call(answering(httpx.Response(200, json={"items": [KEY]})), "keys", "list", "--tenant", "acme")

    assert "key_1" in done.stdout
    assert "all" in done.stdout
    assert "never" in done.stdout


def test_revoking_says_which_and_an_unknown_key_is_not_found():
    grid = answering(httpx.Response(204), problem(404, "key_not_found", "there is no key 'b'."))

    done = call(grid, "keys", "revoke", "key_1", "b", "--tenant", "acme")

    assert done.stdout == "Revoked key_1.\n"
    assert done.exit_code == ExitCode.NOT_FOUND
    assert [str(request.url) for request in grid.requests] == [
        f"http://grid.test/keys/{key}?tenant=acme" for key in ("key_1", "b")
    ]


def test_a_quota_is_shown_with_what_is_used_of_it():
    done = call(answering(httpx.Response(200, json=QUOTA)), "quota")

    assert "1 of 3" in done.stdout
    assert "2.0 MB of any size" in done.stdout


def test_setting_one_limit_leaves_the_others():
    grid = answering(httpx.Response(200, json=QUOTA), httpx.Response(200, json=QUOTA))

    done = call(grid, "quota", "--tenant", "acme", "--code-mb", "5", "--backlog", "0", "--json")

    assert json.loads(done.stdout)["tenant"] == "acme"
    assert grid.asked() == {
        "functions": 3,
        "codeBytes": 5_000_000,
        "concurrentRuns": 0,
        "runsPerMinute": 0,
        "backlog": 0,
        "schedules": 0,
        "scheduleIntervalMs": 0,
    }


async def test_what_the_sdk_raises_for_an_unknown_key_is_the_grids_own_error():
    grid = answering(problem(404, "key_not_found", "there is no key."))

    with pytest.raises(KeyNotFound):
        await grid.client().revoke_key("key_1")
