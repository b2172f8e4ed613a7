"""Explanations: why a run waits or ended so, by which limit, and what to type next."""

import json

import httpx
import pytest
from fake_grid import FakeGrid
from msgspec import Raw
from test_keys import holding, made
from typer.testing import CliRunner

from clocks import ManualClock
from gateway_harness import HELLO, opened, serving
from nanogrid.api.advice import FAILURES
from nanogrid.api.explain.facts import Facts
from nanogrid.api.explain.waits import waiting
from nanogrid.api.services import WorkerState
from nanogrid.cli.main import make_app
from nanogrid.model import (
    MAX_OUTPUT_BYTES,
    Depth,
    ErrorKind,
    Outcome,
    Place,
    Quota,
    RunError,
    RunStatus,
    Standing,
    Usage,
)
from records import some_function, some_run


async def begun(client, name="hello", input_=None, **fields):
    """The id of a run that was accepted."""
    body = {"functionId": name, "input": {"n": 1} if input_ is None else input_, "mode": "async"}
    return (await client.post("/run", json=body | fields)).json()["runId"]


async def explained(client, run_id):
    answer = await client.get(f"/runs/{run_id}/explain")
    assert answer.status_code == 200, answer.text
    return answer.json()


def commands(explanation):
    return [step["command"] for step in explanation["next"] if step["command"]]


async def failed(grid, client, kind, **usage):
    """The explanation of a run that ended by this kind of failure."""
    run_id = await begun(client)
    await grid.take()
    await grid.backend.run_store.start(run_id, 1)
    error = RunError(kind=kind, type="TheType", message="the message", stack_trace=["main.py:3 in handler: f()"])
    status = {ErrorKind.CANCELLED: RunStatus.CANCELLED, ErrorKind.PLATFORM: RunStatus.DEAD}.get(kind, RunStatus.FAILED)
    await grid.finish(run_id, Outcome(status=status, error=error, usage=Usage(**usage)))
    return await explained(client, run_id)


@pytest.mark.parametrize("kind", ErrorKind)
async def test_every_kind_of_failure_has_its_cause_and_something_to_do(kind):
    async with serving(idle=True) as (grid, client):
        told = await failed(grid, client, kind)

    assert told["reason"] == kind
    assert told["why"].startswith(FAILURES[kind].cause)
    assert told["next"]
    assert told["title"] == ("Why it was cancelled" if kind is ErrorKind.CANCELLED else "Why it failed")


@pytest.mark.parametrize(
    ("kind", "usage", "limit", "command"),
    [
        (
            ErrorKind.OUT_OF_MEMORY,
            {"peak_memory_mb": 127.6},
            {"name": "memoryMb", "value": 128, "unit": "MB", "used": 128.0},
            "nanogrid configure hello --memory 256",
        ),
        (
            ErrorKind.TIMED_OUT,
            {"duration_ms": 30_000.4},
            {"name": "timeoutMs", "value": 30_000, "unit": "ms", "used": 30_000.0},
            "nanogrid configure hello --timeout 60s",
        ),
        (
            ErrorKind.RESULT_TOO_LARGE,
            {},
            {"name": "output", "value": MAX_OUTPUT_BYTES, "unit": "bytes", "used": None},
            "nanogrid deploy PATH --name hello",
        ),
        (ErrorKind.EXCEPTION, {}, None, """nanogrid run hello --async --input '{"n":1}'"""),
        (ErrorKind.FUNCTION_DELETED, {}, None, "nanogrid deploy PATH --name hello"),
    ],
    ids=str,
)
async def test_a_failure_names_the_limit_with_its_value_and_the_very_command(kind, usage, limit, command):
    async with serving(idle=True) as (grid, client):
        told = await failed(grid, client, kind, **usage)

    assert told["limit"] == limit
    assert command in commands(told)


async def test_a_dead_run_is_redriven_by_its_id_and_tells_the_platforms_reason():
    async with serving(idle=True) as (grid, client):
        told = await failed(grid, client, ErrorKind.PLATFORM)

    assert "The last reason: TheType: the message" in told["why"]
    assert f"nanogrid redrive {told['runId']}" in commands(told)


async def test_a_function_at_its_greatest_memory_is_not_told_to_take_more():
    async with serving(idle=True) as (grid, client):
        await client.put("/functions/hello", json={"memoryMb": 10_240})
        told = await failed(grid, client, ErrorKind.OUT_OF_MEMORY)

    assert not [command for command in commands(told) if "--memory" in command]


async def test_a_run_of_a_function_that_is_gone_is_still_explained():
    async with serving(idle=True) as (_, client):
        run_id = await begun(client)
        await client.delete(f"/runs/{run_id}")
        await client.delete("/functions/hello")
        told = await explained(client, run_id)

    assert told["reason"] == "cancelled"


async def test_a_run_that_goes_on_tells_how_long_it_may():
    async with serving(idle=True) as (grid, client):
        run_id = await begun(client)
        await grid.take()
        await grid.backend.run_store.start(run_id, 1)
        told = await explained(client, run_id)

    assert (told["reason"], told["status"]) == ("running", "running")
    assert told["limit"]["value"] == 30_000
    assert f"nanogrid cancel {run_id}" in commands(told)


async def test_a_run_that_came_near_to_its_limits_is_told_so_though_it_succeeded():
    async with serving(idle=True) as (grid, client):
        run_id = await begun(client)
        await grid.take()
        await grid.backend.run_store.start(run_id, 1)
        usage = Usage(peak_memory_mb=126.0, duration_ms=29_000)
        await grid.finish(run_id, Outcome(status=RunStatus.SUCCEEDED, output=Raw(b"1"), usage=usage))
        told = await explained(client, run_id)

    assert told["reason"] == "succeeded"
    assert commands(told) == ["nanogrid configure hello --memory 256", "nanogrid configure hello --timeout 60s"]


async def test_who_is_ahead_is_told_by_name_and_in_number():
    async with serving(idle=True) as (_, client):
        await client.post("/functions", json=HELLO | {"name": "other"})
        for name in ("hello", "other", "other", "hello", "hello"):
            run_id = await begun(client, name)
        told = await explained(client, run_id)

    assert told["reason"] == "others_first"
    assert told["queue"] == {
        "ahead": 4,
        "aheadOf": [{"functionName": "hello", "tasks": 2}, {"functionName": "other", "tasks": 2}],
        "dueAt": None,
    }


async def test_the_functions_of_another_tenant_are_counted_and_not_named():
    async with serving(idle=True) as (grid, owner):
        key = await made(owner, tenant="acme")
        async with holding(grid, key["token"]) as acme:
            await acme.post("/functions", json=HELLO | {"name": "theirs"})
            theirs = await begun(acme, "theirs")
        mine = await begun(owner)
        told = await explained(owner, mine)
        foreign = await owner.get(f"/runs/{theirs}/explain")

    assert told["queue"]["aheadOf"] == [{"functionName": None, "tasks": 1}]
    assert foreign.status_code == 404


async def test_a_functions_own_limit_is_told_with_what_to_type():
    async with serving(idle=True) as (grid, client):
        await client.put("/functions/hello", json={"concurrency": 1})
        first = await begun(client)
        await grid.take()
        await grid.backend.run_store.start(first, 1)
        told = await explained(client, await begun(client))

    assert told["reason"] == "function_limit"
    assert told["limit"] == {"name": "concurrency", "value": 1, "unit": "runs", "used": 1.0}
    assert "nanogrid configure hello --concurrency 2" in commands(told)


async def test_a_tenants_limit_is_told():
    async with serving(idle=True) as (grid, owner):
        key = await made(owner, tenant="acme")
        await owner.put("/quota?tenant=acme", json={"concurrentRuns": 1})
        async with holding(grid, key["token"]) as acme:
            await acme.post("/functions", json=HELLO)
            await acme.post("/functions", json=HELLO | {"name": "other"})
            await begun(acme)
            await grid.take()
            told = await explained(acme, await begun(acme, "other"))

    assert told["reason"] == "tenant_limit"
    assert (told["limit"]["name"], told["limit"]["value"]) == ("concurrentRuns", 1)


async def test_a_run_whose_next_try_is_due_later_tells_when_and_why():
    async with serving(idle=True) as (grid, client):
        await client.put("/functions/hello", json={"retries": 3})
        run_id = await begun(client)
        (lease,) = await grid.backend.task_queue.receive(limit=1, wait_s=20)
        await grid.backend.run_store.start(run_id, 1)
        error = RunError(kind=ErrorKind.EXCEPTION, type="KeyError", message="'luck'")
        await grid.backend.run_store.finish(run_id, 1, Outcome(status=RunStatus.QUEUED, error=error))
        await grid.backend.task_queue.release(lease, delay_s=600, failed=False)
        told = await explained(client, run_id)

    assert told["reason"] == "retry_pause"
    assert "Its last try failed (KeyError: 'luck'); it is tried again in " in told["why"]
    assert told["why"].endswith("This will be retry 1 of 3.")
    assert told["queue"]["dueAt"]


WORKER = WorkerState(held=3, max_running=10, busy=3, starting=0, memory_mb=2048)
READY, LEASED = Standing(place=Place.READY), Standing(place=Place.LEASED, function_leased=1)
FULL = Depth(visible=5, in_flight=0)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        # One machine: the worker is here.
        ({"standing": READY, "worker": WORKER}, "about_to_begin"),
        ({"standing": LEASED, "worker": WORKER}, "no_room"),
        ({"standing": LEASED, "worker": WorkerState(1, 10, 0, 1, 2048)}, "sandbox_starting"),
        ({"standing": READY, "worker": WorkerState(10, 10, 9, 1, 2048)}, "worker_full"),
        ({"standing": Standing(place=Place.DELAYED, due_in_s=2.0), "worker": WORKER}, "given_back"),
        ({"standing": Standing(place=Place.READY, tenant_leased=2), "quota": Quota(concurrent_runs=2)}, "tenant_limit"),
        ({"function": some_function(concurrency=1), "standing": LEASED, "worker": WORKER}, "no_room"),
        # AWS: the queue tells no place, and workers are elsewhere.
        ({"depth": FULL}, "no_worker"),
        ({"depth": Depth(visible=5, in_flight=2)}, "others_first"),
        ({"depth": Depth(visible=1, in_flight=2)}, "about_to_begin"),
        ({"run": some_run(retried=2), "depth": FULL}, "retry_pause"),
        ({"function": some_function(concurrency=2), "function_running": 2}, "function_limit"),
        ({"quota": Quota(concurrent_runs=3), "tenant_running": 3}, "tenant_limit"),
    ],
)
def test_the_first_reason_that_holds_is_told(facts, reason):
    run = facts.pop("run", some_run())
    told = waiting(Facts(run=run, now=ManualClock().now(), **{"function": None, **facts}))

    assert told.reason == reason
    assert bool(told.unknown) is ("standing" not in facts)
    assert f"nanogrid cancel {run.run_id}" in [step.command for step in told.next]


async def test_only_who_may_follow_the_run_gets_it_explained():
    async with opened() as grid, holding(grid, "nobody's") as stranger:
        answer = await stranger.get("/runs/run_none/explain")

    assert answer.status_code == 401


TOLD = {
    "runId": "run_1",
    "functionName": "hello\x1b[2J",
    "version": 3,
    "status": "queued",
    "reason": "others_first",
    "title": "Why it waits",
    "why": "4 tasks come first; see `nanogrid runs`.",
    "limit": {"name": "concurrency", "value": 2, "unit": "runs", "used": 2.0},
    "queue": {"ahead": 4, "aheadOf": [{"functionName": "other", "tasks": 3}, {"functionName": None, "tasks": 1}]},
    "next": [{"text": "Cancel it.", "command": "nanogrid cancel run_1"}],
    "unknown": ["its place"],
}


def test_the_command_prints_it_for_a_person():
    grid = FakeGrid()
    grid.answers.append(httpx.Response(200, json=TOLD))

    done = CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["explain", "run_1"])

    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "queued  hello[2J, version 3 · run_1",
        "",
        "Why it waits",
        "  4 tasks come first; see nanogrid runs.",
        "  limit: concurrency is 2 runs, 2 used",
        "  before it: 4 tasks: 3 of other, 1 of others",
        "  not known: its place",
        "",
        "What to do",
        "  Cancel it.",
        "    $ nanogrid cancel run_1",
    ]
    assert grid.requests[0].url.path == "/runs/run_1/explain"


def test_the_command_prints_the_same_as_json():
    grid = FakeGrid()
    grid.answers.append(httpx.Response(200, json=TOLD))

    done = CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["explain", "run_1", "--json"])

    assert json.loads(done.stdout)["queue"]["aheadOf"] == TOLD["queue"]["aheadOf"]


def test_settings_are_changed_without_the_code():
    grid = FakeGrid()
    grid.answers.append(httpx.Response(200, json=grid.add("price") | {"version": 2}))
    arguments = ["configure", "price", "--memory", "512", "--timeout", "2m", "--env", "A=1"]

    done = CliRunner().invoke(make_app(environ={}, connect=grid.blocking), arguments)

    assert grid.asked() == {"memoryMb": 512, "timeoutMs": 120_000, "environment": {"A": "1"}}
    assert done.stdout == "price is at version 2, with the code it had.\n"


def test_configuring_nothing_is_a_usage_error():
    grid = FakeGrid()

    done = CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["configure", "price"])

    assert (done.exit_code, grid.requests) == (2, [])


def test_a_grid_in_memory_explains_by_its_own_clock(nanogrid_grid):
    def fails(_event, _context):
        raise ValueError("not yet")

    nanogrid_grid.add(fails, name="fails", retries=5)
    handle = nanogrid_grid.submit("fails")
    while (told := nanogrid_grid.explain(handle.run_id)).reason != "retry_pause":
        nanogrid_grid.advance(0)
    nanogrid_grid.wait(handle.run_id)
    after = nanogrid_grid.explain(handle.run_id)

    assert (told.reason, after.reason) == ("retry_pause", "exception")
    assert told.limit.value == 5
