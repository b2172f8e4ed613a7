"""`client.stream` and `run --stream`: parts as they come, whatever the grid can do."""

import json

import httpx
import pytest
from fake_grid import NOW, FakeGrid
from typer.testing import CliRunner

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app
from nanogrid.client import ConnectionFailed, FunctionFailed
from nanogrid.identifiers import new_function_id, new_run_id
from nanogrid.testing import MemoryGrid

RUN = {
    "runId": new_run_id(),
    "functionId": new_function_id(),
    "functionName": "ticks",
    "version": 1,
    "status": "succeeded",
    "output": ["a", 1],
    "streamed": True,
    "createdAt": NOW,
}
FAILED = {"status": "failed", "output": None, "error": {"kind": "exception", "type": "ValueError", "message": "middle"}}


def answering(*events):
    """A grid that answers with these server-sent events."""
    grid = FakeGrid()
    text = ": still here\n\n" + "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    grid.answers.append(httpx.Response(200, headers={"content-type": "text/event-stream"}, content=text.encode()))
    return grid


def streamed(grid):
    with grid.blocking() as client:
        return list(client.stream("ticks", {"n": 2}))


def test_parts_come_as_values_and_bytes_as_bytes():
    grid = answering(("part", "a"), ("part", {"n": 1}), ("bytes", "/w=="), ("run", RUN))

    assert streamed(grid) == ["a", {"n": 1}, b"\xff"]
    assert grid.requests[0].headers["accept"] == "text/event-stream"
    assert grid.asked()["input"] == {"n": 2}


def test_a_function_that_returns_gives_its_one_output():
    assert streamed(answering(("run", RUN | {"output": {"all": 1}, "streamed": False}))) == [{"all": 1}]


def test_a_grid_that_cannot_stream_gives_all_at_the_end():
    grid = FakeGrid()
    grid.answers += [
        httpx.Response(202, json=RUN | {"status": "running", "output": None}),
        httpx.Response(200, json=RUN),
    ]

    assert streamed(grid) == ["a", 1]


def test_what_fails_in_the_middle_raises_after_the_parts():
    with answering(("part", "a"), ("run", RUN | FAILED)).blocking() as client:
        parts = client.stream("ticks")
        first = next(parts)
        with pytest.raises(FunctionFailed, match="middle"):
            next(parts)

    assert first == "a"


def test_a_stream_that_breaks_off_is_not_taken_for_the_whole():
    with pytest.raises(ConnectionFailed):
        streamed(answering(("part", "a")))


def test_a_grid_in_memory_gives_the_same_parts():
    def ticks(event, _context):
        yield from range(event["n"])

    with MemoryGrid() as grid:
        grid.add(ticks)
        run = grid.invoke("ticks", {"n": 3})

    assert (run.output, run.streamed) == ([0, 1, 2], True)


def call(grid, *arguments):
    return CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["run", "ticks", "--stream", *arguments])


def test_the_command_prints_text_as_it_is_and_the_rest_as_lines_of_json():
    events = [("part", "one "), ("part", "two\x1b[31m\n"), ("part", {"n": 1}), ("run", RUN)]

    printed = call(answering(*events)).stdout

    assert printed.startswith("one two")
    assert printed.endswith('\n{"n": 1}\n')
    assert "\x1b" not in printed
    assert call(answering(*events), "--json").stdout.splitlines()[0] == '"one "'


def test_the_command_ends_as_the_run_does():
    done = call(answering(("part", "one"), ("run", RUN | FAILED)))

    assert (done.stdout, done.exit_code) == ("one", ExitCode.FAILED)
    assert "middle" in done.stderr


def test_streaming_and_not_waiting_exclude_each_other():
    assert call(FakeGrid(), "--async").exit_code == ExitCode.USAGE
