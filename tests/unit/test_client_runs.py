"""Running through the SDK: waiting, failing, submitting, mapping."""

import asyncio
import json
import math

import httpx
import pytest
from fake_grid import NOW, FakeGrid, Pauses
from msgspec import Raw

from nanogrid.client import FunctionFailed, RunCancelled, RunDead, RunInfo, WaitTimedOut
from nanogrid.errors import InvalidField
from nanogrid.model import Run, RunStatus


async def test_run_returns_the_output_itself():
    grid = FakeGrid()
    grid.add("double", lambda event: event * 2)

    output = await grid.client().run("double", 21)

    assert output == 42
    assert grid.asked() == {"functionId": "double", "input": 21, "mode": "sync"}


async def test_a_failed_function_is_raised_with_all_that_is_known_of_it():
    grid = FakeGrid()
    grid.add("divide", lambda event: event / 0)

    with pytest.raises(FunctionFailed, match=r"divide: ZeroDivisionError: division by zero at main\.py:3") as failed:
        await grid.client().run("divide", 1)

    assert (failed.value.kind, failed.value.type) == ("exception", "ZeroDivisionError")
    assert failed.value.stack_trace == ["main.py:3"]
    assert failed.value.logs == "working\n"
    assert failed.value.run_id in grid.runs


async def test_invoke_returns_a_failed_run_as_a_value():
    grid = FakeGrid()
    grid.add("divide", lambda event: event / 0)

    run = await grid.client().invoke("divide", 1)

    assert run.status is RunStatus.FAILED
    assert run.error.message == "division by zero"
    assert run.output is None


async def test_a_run_that_outlives_its_request_is_waited_for_further():
    grid = FakeGrid()
    grid.add("echo")
    grid.slowness = 3

    output = await grid.client().run("echo", 7)

    assert output == 7
    assert [request.url.params.get("waitMs") for request in grid.requests[1:]] == ["20000"] * 4


async def test_waiting_ends_with_the_callers_time_and_names_the_run():
    grid, clock = FakeGrid(), Pauses()
    grid.add("echo")
    grid.slowness = math.inf
    clock.monotonic = iter(range(100)).__next__

    with pytest.raises(WaitTimedOut) as late:
        await grid.client(monotonic=clock.monotonic).run("echo", 7, timeout=2.5)

    assert late.value.run_id in grid.runs
    assert grid.requests[0].headers["prefer"] == "wait=2"


async def test_a_submitted_run_is_asked_for_by_its_handle():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()

    handle = await client.submit("echo", {"n": 1})
    status, output = await handle.status(), await client.handle(handle.run_id).result()

    assert (status, output) == (RunStatus.SUCCEEDED, {"n": 1})
    assert grid.requests[0].headers["prefer"] == "respond-async"


# how the run ended, what is raised for it
@pytest.mark.parametrize(
    ("status", "kind"), [("failed", FunctionFailed), ("cancelled", RunCancelled), ("dead", RunDead)]
)
async def test_each_unsuccessful_end_has_its_error(status, kind):
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()
    handle = await client.submit("echo", 1)
    grid.runs[handle.run_id] |= {"status": status}

    with pytest.raises(kind):
        await handle.result()


async def test_cancelling_through_the_handle_returns_the_cancelled_run():
    grid = FakeGrid()
    grid.add("echo")
    handle = await grid.client().submit("echo", 1)

    run = await handle.cancel()

    assert run.status is RunStatus.CANCELLED


# what JSON cannot say
@pytest.mark.parametrize("value", [math.nan, {1, 2}, b"bytes", "\ud800", object()])
async def test_an_input_that_json_cannot_say_is_refused_before_anything_is_sent(value):
    grid = FakeGrid()

    with pytest.raises(InvalidField, match="cannot be sent as JSON") as refused:
        await grid.client().run("echo", value)

    assert refused.value.path == "$.input"
    assert grid.requests == []


async def test_an_input_that_is_json_already_is_sent_as_it_is():
    grid = FakeGrid()
    grid.add("echo")

    await grid.client().run("echo", Raw(b'{"big": 1e300,  "n": 1.0}'))

    assert b'{"big": 1e300,  "n": 1.0}' in grid.requests[0].content


def test_numbers_of_any_size_come_back_exactly():
    run = RunInfo(
        run_id="r", function_id="f", function_name="n", version=1, status=RunStatus.SUCCEEDED, created_at=NOW,
        output_json=Raw(b"[123456789012345678901234567890, 0.1, 1.0]"),
    )  # fmt: skip

    assert run.output == [123456789012345678901234567890, 0.1, 1.0]


def test_the_sdks_run_has_exactly_the_fields_of_the_model():
    assert RunInfo.__struct_encode_fields__ == Run.__struct_encode_fields__


async def test_map_hands_out_outputs_in_the_order_of_inputs():
    grid = FakeGrid()
    grid.add("double", lambda event: event * 2)

    outputs = [output async for output in grid.client().map("double", range(50), concurrency=7)]

    assert outputs == [n * 2 for n in range(50)]


async def test_map_takes_no_more_inputs_than_may_run_at_once():
    grid = FakeGrid()
    grid.add("echo")
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield taken

    outputs = grid.client().map("echo", endless(), concurrency=3)
    first = await anext(outputs)
    await outputs.aclose()

    assert first == 1
    assert taken <= 4


async def test_map_hands_out_what_is_there_while_the_next_input_is_awaited():
    grid = FakeGrid()
    grid.add("echo")
    more = asyncio.Event()

    async def slow_inputs():
        yield 1
        await more.wait()
        yield 2

    outputs = grid.client().map("echo", slow_inputs(), concurrency=8)
    first = await anext(outputs)
    more.set()

    assert [first, *[output async for output in outputs]] == [1, 2]


async def test_map_raises_the_first_failure_and_ends():
    grid = FakeGrid()
    grid.add("divide", lambda event: 6 // event)

    with pytest.raises(FunctionFailed):
        [output async for output in grid.client().map("divide", [1, 0, 2], concurrency=2)]


async def test_map_puts_failures_in_their_outputs_place_on_request():
    grid = FakeGrid()
    grid.add("divide", lambda event: 6 // event)

    outputs = [o async for o in grid.client().map("divide", [1, 0, 2], return_exceptions=True)]

    assert outputs[::2] == [6, 3]
    assert isinstance(outputs[1], FunctionFailed)


async def test_map_without_order_hands_out_the_quick_before_the_slow():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()
    release = asyncio.Event()
    run = client.run

    async def stalled(name, item):
        if item == 0:
            await release.wait()
        return await run(name, item)

    client.run = stalled
    outputs = client.map("echo", range(3), ordered=False)
    quick = {await anext(outputs), await anext(outputs)}
    release.set()

    assert quick == {1, 2}
    assert await anext(outputs) == 0


async def test_map_of_nothing_at_once_is_refused():
    with pytest.raises(InvalidField):
        await anext(FakeGrid().client().map("echo", [1], concurrency=0))


async def test_what_an_input_iterator_raises_comes_out_of_map():
    grid = FakeGrid()
    grid.add("echo")

    def broken():
        yield 1
        raise LookupError("the file ended")

    with pytest.raises(LookupError):
        [output async for output in grid.client().map("echo", broken())]


async def test_listings_are_read_page_by_page_and_no_further_than_asked():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()
    for n in range(120):
        await client.submit("echo", n)
    grid.requests.clear()

    some = [run.input async for run in client.runs("echo", limit=60)]

    assert some == list(range(119, 59, -1))
    assert len(grid.requests) == 2
    assert grid.requests[0].url.params["functionId"] == "echo"


async def test_a_run_that_ends_while_its_logs_are_read_is_not_shown_twice():
    grid = FakeGrid()
    grid.add("echo")
    written = [("run_1", "03", "twice"), ("run_1", "05", "next attempt"), ("run_2", "03", "other run")]
    lines = [{"runId": run, "at": f"2026-01-01T00:00:{at}Z", "text": text} for run, at, text in written]
    stream = ": following\n\n" + "".join(f"event: log\ndata: {json.dumps(line)}\n\n" for line in lines)
    ended = {"runId": "run_1", "at": "2026-01-01T00:00:04Z", "text": "twice", "level": "error"}
    grid.answers = [httpx.Response(200, text=stream), httpx.Response(200, json={"lines": [ended]})]

    async with grid.client() as client:
        followed = [(entry.text, entry.level) async for entry in client.logs("echo", follow=True)]

    assert followed == [("twice", "error"), ("next attempt", None), ("other run", None)]


async def test_logs_are_read_and_followed():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()

    recent = [entry.text async for entry in client.logs("echo")]
    followed = [entry.text async for entry in client.logs("echo", follow=True)]

    assert recent == ["line 0", "line 1"]
    assert followed == ["line 0", "line 1", "new"]


async def test_dead_letters_are_listed_and_redriven():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()
    run_id = (await client.submit("echo", 1)).run_id
    letter = {"runId": run_id, "functionId": "fn_x", "reason": "no sandbox", "failures": 5, "buriedAt": NOW}
    grid.letters = [letter]

    letters = [letter async for letter in client.dead_letters()]
    again = await client.redrive(run_id)

    assert [letter.reason for letter in letters] == ["no sandbox"]
    assert again.status is RunStatus.RUNNING


async def test_a_newer_grid_may_say_more_than_is_known_here():
    grid = FakeGrid()
    grid.add("echo", novelty={"of": "tomorrow"})

    function = await grid.client().function("echo")

    assert json.loads(json.dumps(function.name)) == "echo"
