"""Memory that is raised by itself: once for a run, within its bounds, as a version that says why."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_harness import serving
from nanogrid.model import MAX_MEMORY_MB, MIN_MEMORY_MB, ErrorKind, RunError, RunStatus
from nanogrid.observe import make_log
from nanogrid.ports import Invocation, Reply
from nanogrid.sizing import raised_memory_mb
from nanogrid.worker.auto_memory import AutoMemory
from records import some_function
from working import workplace

OUT_OF_MEMORY = RunError(kind=ErrorKind.OUT_OF_MEMORY, type="OutOfMemory", message="too much")


def needing(mb, tries):
    """A handler that needs so much memory, and notes what each try had."""

    def handler(event, context):
        tries.append(int(context.memory_limit_in_mb))
        if tries[-1] < mb:
            raise MemoryError
        return event

    return handler


def versions_of(grid, name, count):
    """The function's versions, latest first, as soon as there are so many: one is made when its run is over."""
    while len(versions := grid.versions(name)) < count:
        grid.advance(0)
    return versions


@given(
    memory=st.integers(MIN_MEMORY_MB, MAX_MEMORY_MB),
    ceiling=st.one_of(st.just(0), st.integers(MIN_MEMORY_MB, MAX_MEMORY_MB)),
)
def test_what_memory_is_raised_to_is_never_less_and_never_above_the_ceiling(memory, ceiling):
    raised = raised_memory_mb(memory, ceiling)

    assert memory <= raised <= max(memory, ceiling)
    assert raised > memory or ceiling <= memory


@pytest.mark.parametrize("how", ["invoke", "submit"])
def test_a_run_that_lacks_memory_is_tried_once_more_with_twice_as_much_and_the_function_keeps_it(nanogrid_grid, how):
    tries = []
    nanogrid_grid.add(needing(200, tries), name="big", memory_mb=128, auto_memory_mb=1024)
    handle = nanogrid_grid.submit("big", 7) if how == "submit" else None
    run = nanogrid_grid.wait(handle.run_id) if handle else nanogrid_grid.invoke("big", 7)
    versions = versions_of(nanogrid_grid, "big", 2)
    again = nanogrid_grid.invoke("big", 8)

    assert (run.status, run.output, run.attempt, run.retried) == (RunStatus.SUCCEEDED, 7, 1, 0)
    assert (run.version, run.usage.raised_memory_mb) == (1, 256)
    assert [(version.version, version.memory_mb) for version in versions] == [(2, 256), (1, 128)]
    assert versions[0].note == f"memory raised from 128 to 256 MB: {run.run_id} ran out of it"
    assert (again.version, again.usage.raised_memory_mb) == (2, 0)
    assert tries == [128, 256, 256]


def test_a_run_is_tried_no_more_than_once_again_and_each_run_raises_it_further_up_to_the_ceiling(nanogrid_grid):
    tries = []
    nanogrid_grid.add(needing(5000, tries), name="endless", memory_mb=128, auto_memory_mb=600)
    runs = []
    for number in range(4):
        versions = versions_of(nanogrid_grid, "endless", min(number + 1, 4))
        runs.append(nanogrid_grid.invoke("endless"))
    told = nanogrid_grid.explain(runs[-1].run_id)

    assert {run.error.kind for run in runs} == {ErrorKind.OUT_OF_MEMORY}
    assert tries == [128, 256, 256, 512, 512, 600, 600]
    assert [version.memory_mb for version in versions] == [600, 512, 256, 128]
    assert told.limit.value == 600
    assert "nanogrid configure endless --auto-memory 1200" in [step.command for step in told.next]


def test_a_function_whose_memory_is_fixed_is_not_tried_again_and_told_how_it_could_be(nanogrid_grid):
    tries = []
    nanogrid_grid.add(needing(200, tries), name="fixed")
    run = nanogrid_grid.invoke("fixed")
    told = nanogrid_grid.explain(run.run_id)

    assert tries == [128]
    assert len(nanogrid_grid.versions("fixed")) == 1
    assert "nanogrid configure fixed --auto-memory 512" in [step.command for step in told.next]


def test_another_failure_raises_nothing(nanogrid_grid):
    def fails(_event, _context):
        raise ValueError

    nanogrid_grid.add(fails, name="fails", auto_memory_mb=1024)
    nanogrid_grid.invoke("fails")
    nanogrid_grid.advance(0)

    assert len(nanogrid_grid.versions("fails")) == 1


def test_the_retry_policy_goes_on_with_what_memory_was_raised_to(nanogrid_grid):
    tries = []
    nanogrid_grid.add(needing(400, tries), name="later", auto_memory_mb=1024, retries=3)
    run = nanogrid_grid.wait(nanogrid_grid.submit("later", 1).run_id)

    assert (run.status, run.retried, run.usage.raised_memory_mb) == (RunStatus.SUCCEEDED, 1, 512)
    assert tries == [128, 256, 256, 512]


def test_an_older_version_has_more_memory_for_its_runs_and_stays_as_it_is(nanogrid_grid):
    tries = []
    nanogrid_grid.add(needing(200, tries), name="old", auto_memory_mb=512)
    nanogrid_grid.configure("old", timeout_ms=5_000)
    run = nanogrid_grid.invoke("old:1", 1)
    again = nanogrid_grid.invoke("old:1", 2)
    nanogrid_grid.advance(0)

    assert (run.output, again.output) == (1, 2)
    assert tries == [128, 256, 256]
    assert [version.memory_mb for version in nanogrid_grid.versions("old")] == [128, 128]


def test_a_deployment_by_hand_has_no_note_and_the_memory_that_was_raised(nanogrid_grid):
    nanogrid_grid.add(needing(200, []), name="big", auto_memory_mb=512)
    nanogrid_grid.invoke("big")
    versions_of(nanogrid_grid, "big", 2)
    configured = nanogrid_grid.configure("big", timeout_ms=5_000)
    back = nanogrid_grid.rollback("big", 2)

    assert (configured.version, configured.memory_mb, configured.note) == (3, 256, "")
    assert (back.version, back.note) == (4, "")


async def test_a_ceiling_below_the_memory_is_refused_at_its_field():
    async with serving() as (_, client):
        answer = await client.put("/functions/hello", json={"memoryMb": 512, "autoMemoryMb": 256})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "$.autoMemoryMb"


async def test_two_tries_are_one_attempt_and_one_outcome():
    calls: list[int] = []

    async def lacks_memory_first(call: Invocation) -> Reply:
        calls.append(call.attempt)
        return Reply(error=OUT_OF_MEMORY) if len(calls) == 1 else Reply()

    async with workplace(lacks_memory_first, auto_memory_mb=512) as place, place.at_work():
        run = await place.submit()
        ended = await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert calls == [1, 1]
    assert (ended.attempt, ended.usage.raised_memory_mb) == (1, 256)
    assert place.pool.out == 0


def test_each_change_is_an_event_of_the_log():
    written = io.StringIO()
    memory = AutoMemory(None, None, make_log("json", written), warm_successor=None)
    function = some_function(auto_memory_mb=300)
    raised = memory.raised(function, OUT_OF_MEMORY, "run_1")
    once_more = memory.raised(raised, OUT_OF_MEMORY, "run_2")

    event = json.loads(written.getvalue().splitlines()[0])
    assert event["event"] == "worker.memory_raised"
    assert (event["from_mb"], event["to_mb"], event["run_id"]) == (128, 256, "run_1")
    assert (once_more.memory_mb, memory.raised(once_more, OUT_OF_MEMORY, "run_3")) == (300, None)
    assert memory.sized(function).memory_mb == 300


def test_a_run_that_shows_a_lesser_need_does_not_take_back_what_another_has_shown():
    memory = AutoMemory(None, None, make_log("json", io.StringIO()), warm_successor=None)
    function = some_function(auto_memory_mb=2048)
    memory.raised(memory.raised(function, OUT_OF_MEMORY, "run_1"), OUT_OF_MEMORY, "run_1")

    assert memory.raised(function, OUT_OF_MEMORY, "run_2").memory_mb == 512
