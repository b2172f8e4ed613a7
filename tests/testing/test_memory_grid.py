"""A grid in memory is a grid: the same methods, the same answers, and a clock to turn."""

import os
import time

import pytest

from nanogrid import Client
from nanogrid.client import FunctionFailed, WaitTimedOut
from nanogrid.errors import FunctionNotFound, InvalidField
from nanogrid.testing import MemoryGrid

GREETING = 'def handler(event, context):\n    print("greeting", event["name"])\n    return "Hello, " + event["name"]\n'


def tries(failures):
    """A handler that fails so often before it succeeds, and when it was called."""
    called = []

    def handler(_event, context):
        called.append(context.attempt)
        if len(called) <= failures:
            raise ConnectionError("not yet")
        return context.attempt

    return handler, called


def test_source_is_deployed_and_run_as_on_any_grid(nanogrid_grid):
    nanogrid_grid.deploy(GREETING, name="greet")

    run = nanogrid_grid.invoke("greet", {"name": "Ada"})

    assert run.output == "Hello, Ada"
    assert run.logs.text == "greeting Ada\n"
    assert [line.text for line in nanogrid_grid.logs("greet")] == ["greeting Ada"]


def test_a_folder_with_modules_of_its_own_does_not_meet_another_of_the_same_names(nanogrid_grid, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.py").write_text(
            "from json import loads\nfrom part import NAME\ndef handler(e, c): return NAME\n"
        )
        (tmp_path / name / "part.py").write_text(f"NAME = {name!r}\n")
        nanogrid_grid.deploy(tmp_path / name)

    assert [nanogrid_grid.run(name) for name in ("one", "two", "one")] == ["one", "two", "one"]


def test_a_callable_is_a_function_that_sees_the_test(nanogrid_grid):
    seen = []
    nanogrid_grid.add(lambda event, _context: seen.append(event), name="note")

    nanogrid_grid.run("note", {"a": 1})

    assert seen == [{"a": 1}]


def test_a_failure_has_kind_message_and_the_users_own_frames(nanogrid_grid):
    nanogrid_grid.deploy(GREETING, name="greet")

    with pytest.raises(FunctionFailed) as failed:
        nanogrid_grid.run("greet", {})

    assert (failed.value.kind, failed.value.type) == ("exception", "KeyError")
    assert failed.value.stack_trace == ['main.py:2 in handler: print("greeting", event["name"])']


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import nothing_of_the_kind", "init_failed"),
        ("def handler(e, c): return {1, 2}", "result_not_serializable"),
        ("def handler(e, c): return 'x' * 7_000_000", "result_too_large"),
        ("def handler(e, c): exit(3)", "exited"),
        ("def handler(e, c): raise MemoryError", "out_of_memory"),
        ("import time\ndef handler(e, c): time.sleep(31)", "timed_out"),
        ("def handler(e, c): raise ValueError", "exception"),
    ],
)
def test_every_kind_of_failure_that_a_function_can_have(nanogrid_grid, source, kind):
    nanogrid_grid.deploy(source, name="bad", runtime="python3", handler="main.handler")

    assert nanogrid_grid.invoke("bad").error.kind == kind


def test_time_passes_in_no_time(nanogrid_grid):
    def sleepy(event, context):
        time.sleep(event["s"])
        return context.get_remaining_time_in_millis()

    nanogrid_grid.add(sleepy, timeout_ms=3_600_000)
    began = nanogrid_grid.clock.now()

    run = nanogrid_grid.invoke("sleepy", {"s": 3_000})

    assert run.output == 600_000
    assert run.usage.duration_ms == 3_000_000
    assert (nanogrid_grid.clock.now() - began).total_seconds() == 3_000


def test_waiting_for_a_run_turns_the_clock_over_all_its_retries(nanogrid_grid):
    handler, called = tries(3)
    nanogrid_grid.add(handler, name="flaky", retries=3)

    assert nanogrid_grid.submit("flaky").result() == 4
    assert called == [1, 2, 3, 4]


def test_a_retry_comes_no_sooner_than_the_clock_is_turned(nanogrid_grid):
    handler, called = tries(1)
    nanogrid_grid.add(handler, name="flaky", retries=1)
    handle = nanogrid_grid.submit("flaky")

    nanogrid_grid.advance(0)
    assert (called, handle.status()) == ([1], "queued")

    nanogrid_grid.advance(1)
    assert (called, handle.status()) == ([1, 2], "succeeded")


def test_waiting_ends_by_the_clock(nanogrid_grid):
    nanogrid_grid.add(lambda _event, _context: time.sleep(20), name="slow")

    with pytest.raises(WaitTimedOut):
        nanogrid_grid.run("slow", timeout=10)


def test_an_asynchronous_handler(nanogrid_grid):
    async def handler(event, _context):
        return event

    nanogrid_grid.add(handler, name="later")

    assert nanogrid_grid.run("later", [1]) == [1]


def test_a_map_over_many_inputs(nanogrid_grid):
    nanogrid_grid.add(lambda event, _context: event * event, name="square")

    assert list(nanogrid_grid.map("square", range(50), concurrency=8)) == [n * n for n in range(50)]


def test_refusals_are_those_of_a_grid(nanogrid_grid):
    with pytest.raises(FunctionNotFound):
        nanogrid_grid.run("nobody")
    with pytest.raises(InvalidField):
        nanogrid_grid.add(print, name="print", memory_mb=1)


def test_the_environment_and_sleep_are_as_before_when_the_grid_is_closed():
    before = dict(os.environ), time.sleep

    with MemoryGrid() as grid:
        assert isinstance(grid, Client)
        grid.deploy(
            "import os\ndef handler(e, c): return os.environ['COLOUR']", name="see", environment={"COLOUR": "red"}
        )
        assert grid.run("see") == "red"

    assert (dict(os.environ), time.sleep) == before
