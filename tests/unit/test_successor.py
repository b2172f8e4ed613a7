"""A next version takes over from one that is called when it is loaded, and not before."""

import asyncio

import pytest

from gateway_harness import HELLO, serving
from nanogrid.errors import VersionBroken
from nanogrid.model import ErrorKind, RunError
from nanogrid.ports import Claim
from open_pool import function, opened
from waiting import until

BROKEN = {"environment": {"BROKEN": "1"}}
GOOD = "def handler(event, context):\n    return event\n"


async def latest(client):
    return (await client.get("/functions/hello")).json()["version"]


@pytest.mark.parametrize("change", [{"memoryMb": 256}, {"source": "handler = len\n"}], ids=["settings", "code"])
async def test_the_old_version_answers_until_the_new_one_is_loaded(change):
    async with serving() as (grid, client):
        grid.is_called = True
        grid.may_load.clear()
        putting = asyncio.create_task(client.put("/functions/hello", json=change))
        await until(lambda: grid.waiting_to_load == 1)
        during = (await client.post("/run", json={"functionId": "hello", "input": 1})).json()["version"]
        grid.may_load.set()
        put = await putting
        after = (await client.post("/run", json={"functionId": "hello", "input": 1})).json()["version"]

    assert (during, put.status_code, after) == (1, 200, 2)
    assert grid.warmed == [2]


@pytest.mark.parametrize("change", [BROKEN, BROKEN | {"source": "handler = len\n"}], ids=["settings", "code"])
async def test_a_version_that_cannot_be_loaded_is_refused_and_nothing_of_it_stays(change):
    async with serving() as (grid, client):
        grid.is_called = True
        answer = await client.put("/functions/hello", json=change)
        versions = (await client.get("/functions/hello/versions")).json()["items"]
        run = (await client.post("/run", json={"functionId": "hello", "input": 7})).json()
        archives = grid.archives()

    assert (answer.status_code, answer.json()["code"]) == (409, "version_broken")
    assert [version["version"] for version in versions] == [1]
    assert (run["version"], run["output"]) == (1, 7)
    assert archives == 1


async def test_code_that_another_function_has_stays_when_a_version_with_it_is_refused():
    async with serving() as (grid, client):
        await client.post("/functions", json=HELLO | {"name": "other", "source": "handler = len\n"})
        grid.is_called = True
        answer = await client.put("/functions/hello", json=BROKEN | {"source": "handler = len\n"})
        code = await client.get("/functions/other/code")

    assert (answer.status_code, code.status_code) == (409, 200)


async def test_a_function_without_traffic_is_changed_at_once_and_nothing_is_loaded():
    async with serving() as (grid, client):
        answer = await client.put("/functions/hello", json=BROKEN)
        version = await latest(client)

    assert (answer.status_code, version, grid.warmed) == (200, 2, [])


async def test_updates_of_one_function_take_turns_while_versions_are_loaded():
    async with serving() as (grid, client):
        grid.is_called = True
        changes = [client.put("/functions/hello", json={"memoryMb": 200 + number}) for number in range(5)]
        answers = await asyncio.gather(*changes)

    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6]


def test_on_a_grid_a_called_function_keeps_its_version_where_the_next_cannot_be_imported(nanogrid_grid):
    nanogrid_grid.deploy(GOOD, name="echo")
    nanogrid_grid.run("echo", 1)

    with pytest.raises(VersionBroken, match=r"version 2 of 'echo' cannot be loaded: .*nothing_of_the_kind"):
        nanogrid_grid.deploy("import nothing_of_the_kind\n" + GOOD, name="echo")
    run = nanogrid_grid.invoke("echo", 2)

    assert (run.version, run.output) == (1, 2)


def test_on_a_grid_the_next_version_of_a_called_function_is_warm(nanogrid_grid):
    nanogrid_grid.deploy(GOOD, name="echo")
    nanogrid_grid.run("echo", 1)
    nanogrid_grid.deploy(GOOD + "# another\n", name="echo")
    run = nanogrid_grid.invoke("echo", 2)

    assert (run.version, run.usage.cold_start) == (2, False)


def test_on_a_grid_a_function_that_nobody_called_may_have_a_version_that_cannot_be_imported(nanogrid_grid):
    nanogrid_grid.deploy(GOOD, name="echo")
    nanogrid_grid.deploy("import nothing_of_the_kind\n" + GOOD, name="echo")

    assert nanogrid_grid.invoke("echo", 2).error.kind == "init_failed"


# The pool's part


async def test_two_candidates_of_one_number_never_share_a_sandbox():
    async with opened() as box:
        tried = function("a", 2)
        made = function("a", 2, updated_at=tried.updated_at.replace(year=2031))
        box.pool.release(await box.claim(tried))

        assert (await box.claim(made)).cold
        assert not (await box.claim(tried)).cold


async def test_a_version_that_was_only_tried_takes_its_limit_with_it():
    async with opened() as box:
        box.pool.release(await box.claim(function("a", 1)))
        box.driver.load_results.append(RunError(kind=ErrorKind.INIT_FAILED, type="ImportError", message="no"))
        broken = await box.pool.acquire(function("a", 2, concurrency=1))
        claims = [await box.claim(function("a", 1)) for _ in range(2)]

        assert not isinstance(broken, Claim)
        assert len(claims) == 2


async def test_the_pool_tells_which_functions_were_called_lately():
    async with opened() as box:
        before = box.pool.keeps("fn_a")
        claim = await box.claim(function("a", idle_ttl_ms=1_000))
        busy = box.pool.keeps("fn_a")
        box.pool.release(claim)
        await box.pass_time(3)

        assert (before, busy, box.pool.keeps("fn_a"), box.pool.keeps("fn_b")) == (False, True, False, False)
