"""The command line: exit codes, what goes to stdout and what to stderr."""

import json

import httpx
import pytest
import typer
from fake_grid import FakeGrid, problem
from typer.testing import CliRunner

from nanogrid import __version__
from nanogrid.cli.exits import ExitCode, exit_code
from nanogrid.cli.main import make_app
from nanogrid.client import errors as client_errors
from nanogrid.errors import ConfigError, NanoGridError, PlatformError, Unauthorized


@pytest.fixture
def grid():
    grid = FakeGrid()
    grid.add("echo")
    grid.add("divide", lambda event: event["n"] / 0)
    return grid


def call(grid, *arguments, stdin=None):
    return CliRunner().invoke(make_app(environ={}, connect=grid.blocking), arguments, input=stdin)


def test_run_prints_the_output_alone_on_stdout_and_all_else_on_stderr(grid):
    done = call(grid, "run", "echo", "--input", '{"name": "Ada"}')

    assert done.exit_code == ExitCode.OK
    assert done.stdout == '{"name":"Ada"}\n'
    assert "working" in done.stderr
    assert "cold 41 ms · ran 3.2 ms · run_" in done.stderr


def test_the_input_reaches_the_function_as_it_was_written(grid, tmp_path):
    (tmp_path / "event.json").write_text('\ufeff{"from":  "file"}')

    call(grid, "run", "echo", "--input", "-", stdin='{"n": 1.0,  "big": 123456789012345678901}')
    call(grid, "run", "echo", "--input", f"@{tmp_path / 'event.json'}")
    call(grid, "run", "echo")

    assert b'"input":{"n": 1.0,  "big": 123456789012345678901}' in grid.requests[0].content
    assert b'"input":{"from":  "file"}' in grid.requests[1].content
    assert grid.asked()["input"] == {}


# what is given as input, what is said about it
@pytest.mark.parametrize(
    ("text", "said"), [("Ada", "is not JSON"), ("@/nowhere", "cannot be read"), ("NaN", "no JSON number"), ("", "JSON")]
)
def test_an_input_that_is_no_json_is_a_usage_error(grid, text, said):
    done = call(grid, "run", "echo", "--input", text)

    assert done.exit_code == ExitCode.USAGE
    assert said in done.stderr
    assert grid.requests == []


def test_a_failed_function_exits_1_and_shows_its_own_frames(grid):
    done = call(grid, "run", "divide", "--input", '{"n": 1}')

    assert done.exit_code == ExitCode.FAILED
    assert done.stdout == ""
    assert "ZeroDivisionError: division by zero\n  main.py:3\n" in done.stderr


def test_with_json_a_failed_run_is_a_record_on_stdout_and_nothing_else(grid):
    done = call(grid, "run", "divide", "--input", '{"n": 1}', "--json")

    assert done.exit_code == ExitCode.FAILED
    assert json.loads(done.stdout)["error"]["type"] == "ZeroDivisionError"
    assert done.stderr == ""


def test_async_prints_the_id_to_ask_for_later(grid):
    done = call(grid, "run", "echo", "--async")

    assert done.exit_code == ExitCode.OK
    assert done.stdout.strip() in grid.runs


def test_async_and_wait_contradict_each_other(grid):
    assert call(grid, "run", "echo", "--async", "--wait", "3").exit_code == ExitCode.USAGE


def test_a_wait_that_is_over_exits_6_and_names_the_run(grid):
    grid.slowness = 10**9

    done = call(grid, "run", "echo", "--wait", "0")

    assert done.exit_code == ExitCode.TIMED_OUT
    assert next(iter(grid.runs)) in done.stderr


# what the grid answers, how the command ends, what it says
@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (problem(404, "function_not_found", "there is no function 'x'."), ExitCode.NOT_FOUND, "no function 'x'"),
        (problem(401, "unauthorized", "a wrong token."), ExitCode.REFUSED, "nanogrid login"),
        (problem(409, "conflict", "no."), ExitCode.REFUSED, "no."),
        (problem(500, "internal", "our mistake."), ExitCode.OURS, "req_1"),
        (problem(503, "store_unavailable", "disk full."), ExitCode.OURS, "disk full"),
        (httpx.ReadError("gone"), ExitCode.UNREACHABLE, "http://grid.test"),
    ],
)
def test_a_refusal_has_its_exit_code_and_two_lines_at_most(grid, answer, code, said):
    grid.answers = [answer]

    done = call(grid, "run", "x")

    assert done.exit_code == code
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) <= 2


def test_debug_shows_where_an_error_comes_from(grid):
    done = call(grid, "--debug", "run", "nobody")

    assert done.exit_code == ExitCode.NOT_FOUND
    assert "Traceback" in done.stderr


def test_without_a_grid_the_command_says_how_to_get_one(tmp_path):
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "NANOGRID_DATA": str(tmp_path)}

    done = CliRunner().invoke(make_app(environ=environ), ["functions"])

    assert done.exit_code == ExitCode.UNREACHABLE
    assert "nanogrid up" in done.stderr


# error, exit code
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.USAGE),
        (Unauthorized("x"), ExitCode.REFUSED),
        (PlatformError("x"), ExitCode.OURS),
        (NanoGridError("x"), ExitCode.OURS),
        (client_errors.WaitTimedOut("run_x"), ExitCode.TIMED_OUT),
        (client_errors.ConnectionFailed("x"), ExitCode.UNREACHABLE),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code(error) == code


def test_functions_are_listed_as_a_table_or_as_json(grid):
    table, plain = call(grid, "functions"), call(grid, "functions", "--json")

    assert "echo" in table.stdout
    assert "128 MB" in table.stdout
    assert [function["name"] for function in json.loads(plain.stdout)] == ["echo", "divide"]


def test_runs_are_listed_newest_first(grid):
    call(grid, "run", "divide", "--input", '{"n": 1}')
    call(grid, "run", "echo")

    table = call(grid, "runs")
    newest = json.loads(call(grid, "runs", "--json", "--limit", "1").stdout)

    assert [line.split()[1:3] for line in table.stdout.splitlines()[1:]] == [
        ["echo", "succeeded"],
        ["divide", "failed"],
    ]
    assert [run["functionName"] for run in newest] == ["echo"]


def test_show_tells_of_a_function_and_of_a_run(grid):
    call(grid, "run", "echo", "--input", '{"n": 1}')

    function = call(grid, "show", "echo")
    run = call(grid, "show", next(iter(grid.runs)))

    assert "main.handler" in function.stdout
    assert "cold, 41 ms to load" in run.stdout
    assert '{"n":1}' in run.stdout


def test_logs_are_printed_line_by_line_or_as_json_lines(grid):
    lines = call(grid, "logs", "echo").stdout.splitlines()
    followed = [json.loads(line)["text"] for line in call(grid, "logs", "-f", "echo", "--json").stdout.splitlines()]

    assert [line.split()[0] for line in lines] == ["2026-01-02T03:04:05.000Z"] * 2
    assert [line.split(maxsplit=2)[2] for line in lines] == ["line 0", "line 1"]
    assert followed == ["line 0", "line 1", "new"]


def test_the_logs_of_one_run_are_what_it_wrote(grid):
    call(grid, "run", "echo")

    assert call(grid, "logs", next(iter(grid.runs))).stdout == "working\n"


def test_rm_deletes_each_of_its_names_up_to_the_first_that_is_missing(grid):
    done = call(grid, "rm", "echo", "nobody", "divide")

    assert done.exit_code == ExitCode.NOT_FOUND
    assert done.stdout == "Deleted echo.\n"
    assert list(grid.functions) == ["divide"]


def test_cancel_and_redrive_say_what_became_of_the_run(grid):
    run_id = call(grid, "run", "echo", "--async").stdout.strip()

    assert call(grid, "cancel", run_id).stdout == f"Cancelled {run_id}.\n"
    assert call(grid, "redrive", run_id).stdout == f"Run {run_id} is running again.\n"
    assert json.loads(call(grid, "dead-letters", "--json").stdout) == []


def test_what_a_function_writes_cannot_steer_the_terminal(grid):
    grid.add("echo", lambda _: "\x1b[2J\x07")
    run_id = call(grid, "run", "echo", "--async").stdout.strip()
    grid.runs[run_id]["logs"]["text"] = "\x1b]0;title\x07red [bold]text[/bold]\n"

    done = call(grid, "logs", run_id)

    assert done.stdout == "]0;titlered [bold]text[/bold]\n"


def test_version_and_openapi_are_printed(grid):
    assert call(grid, "version").stdout.strip() == __version__
    assert json.loads(call(grid, "version", "--json").stdout) == {"version": __version__}
    assert json.loads(call(grid, "openapi").stdout) == {"openapi": "3.1.0"}


def test_every_command_and_option_has_help():
    group = typer.main.get_command(make_app())

    for command in group.commands.values():
        assert command.help, command.name
        assert all(getattr(parameter, "help", "") for parameter in command.params), command.name
