"""Versions: going back, aliases with shares, and that nothing moves to what is not warm."""

import asyncio
import io
import zipfile
from collections import Counter

import pytest

from clocks import ManualClock
from gateway_harness import HELLO, serving
from nanogrid.aliases import Aliases
from nanogrid.errors import AliasNotFound, FunctionNotFound


def code(answer):
    return answer.json()["code"]


async def versions_made(client, count):
    """`hello` with that many versions; each has its number as memory, above 200 MB."""
    for number in range(2, count + 1):
        answer = await client.put("/functions/hello", json={"memoryMb": 200 + number})
        assert answer.json()["version"] == number


async def ran(client, reference):
    answer = await client.post("/run", json={"functionId": reference, "input": 1})
    return answer.json()["version"] if answer.status_code == 200 else answer.status_code


# Going back


async def test_going_back_makes_a_new_version_that_is_as_the_earlier_one():
    async with serving() as (_, client):
        first = (await client.get("/functions/hello")).json()
        await client.put("/functions/hello", json={"source": "handler = len\n", "memoryMb": 256})
        back = (await client.post("/functions/hello/rollback", json={})).json()
        listed = (await client.get("/functions/hello/versions")).json()["items"]

    assert back["version"] == 3
    assert {k for k in first if first[k] != back[k]} == {"version", "updatedAt"}
    assert [item["version"] for item in listed] == [3, 2, 1]


async def test_any_earlier_version_can_be_named_and_is_warm_before_it_is_the_latest():
    async with serving() as (grid, client):
        await versions_made(client, 3)
        back = (await client.post("/functions/hello/rollback", json={"version": 1})).json()

    assert (back["version"], back["memoryMb"]) == (4, 128)
    assert grid.warmed == [4]


async def test_who_prepares_first_runs_hears_of_each_version_with_code_of_its_own():
    async with serving() as (grid, client):
        await client.put("/functions/hello", json={"source": "handler = len\n"})
        latest = (await client.put("/functions/hello", json={"memoryMb": 256})).json()

    assert len(grid.stored) == 2
    assert grid.stored[-1] == latest["codeSha256"]


@pytest.mark.parametrize(
    ("made", "body", "status", "expected"),
    [
        (1, {}, 422, "invalid_field"),  # nothing before the first
        (2, {"version": 7}, 404, "function_not_found"),
        (2, {"version": 0}, 422, "invalid_field"),
        (2, {"to": 1}, 422, "invalid_field"),
    ],
)
async def test_going_back_to_where_nothing_is_changes_nothing(made, body, status, expected):
    async with serving() as (_, client):
        await versions_made(client, made)
        answer = await client.post("/functions/hello/rollback", json=body)
        latest = (await client.get("/functions/hello")).json()["version"]

    assert (answer.status_code, code(answer), latest) == (status, expected, made)


async def test_nothing_goes_back_to_a_version_that_cannot_be_loaded():
    async with serving() as (_, client):
        await client.put("/functions/hello", json={"environment": {"BROKEN": "1"}})
        await client.put("/functions/hello", json={"environment": {}})
        answer = await client.post("/functions/hello/rollback", json={})
        latest = (await client.get("/functions/hello")).json()["version"]

    assert (answer.status_code, code(answer), latest) == (409, "version_broken", 3)


async def test_of_racing_rollbacks_each_version_is_made_once():
    async with serving() as (_, client):
        await versions_made(client, 2)
        racing = [client.post("/functions/hello/rollback", json={"version": 1}) for _ in range(5)]
        answers = await asyncio.gather(*racing)
        listed = (await client.get("/functions/hello/versions")).json()["items"]

    made = [answer.json()["version"] for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sorted(made) == list(range(3, 3 + len(made)))
    assert len(listed) == 2 + len(made)


async def test_a_versions_code_comes_back_as_an_archive():
    async with serving() as (_, client):
        await client.put("/functions/hello", json={"source": "handler = len\n"})
        old = await client.get("/functions/hello/code?version=1")
        new = await client.get("/functions/hello/code")
        absent = await client.get("/functions/hello/code?version=3")

    assert (old.status_code, old.headers["content-type"]) == (200, "application/zip")
    assert old.headers["content-disposition"] == 'attachment; filename="hello-1.zip"'
    sources = [zipfile.ZipFile(io.BytesIO(answer.content)).read("main.py").decode() for answer in (old, new)]
    assert sources == [HELLO["source"], "handler = len\n"]
    assert (absent.status_code, code(absent)) == (404, "function_not_found")


# Aliases


async def test_a_name_with_a_version_or_an_alias_runs_that_version():
    async with serving() as (_, client):
        await versions_made(client, 3)
        moved = await client.put("/functions/hello/aliases/live", json={"version": 2})
        ids = (await client.get("/functions/hello")).json()["functionId"]
        runs = {
            reference: await ran(client, reference)
            for reference in ("hello", "hello:1", "hello:live", f"{ids}:live", "hello:latest", "hello:9", "hello:dead")
        }
        odd = {reference: await ran(client, reference) for reference in ("hello:", "hello:0", "hello:a:b", ":live")}

    assert moved.status_code == 200, moved.text
    assert (moved.json()["version"], moved.json()["warmMs"]) == (2, 1.5)
    assert list(runs.values()) == [3, 1, 2, 2, 3, 404, 404]
    assert set(odd.values()) == {404}


async def test_an_alias_that_moves_is_followed_at_once_and_one_that_is_deleted_means_nothing():
    async with serving() as (grid, client):
        await versions_made(client, 2)
        await client.put("/functions/hello/aliases/live", json={"version": 1})
        before = await ran(client, "hello:live")
        await client.put("/functions/hello/aliases/live", json={"version": 2})
        after = await ran(client, "hello:live")
        listed = (await client.get("/functions/hello/aliases")).json()["items"]
        one = (await client.get("/functions/hello/aliases/live")).json()
        deleted = await client.delete("/functions/hello/aliases/live")
        gone = await client.get("/functions/hello/aliases/live")
        run = await ran(client, "hello:live")

    assert (before, after, run) == (1, 2, 404)
    assert grid.warmed == [1, 2]
    assert listed == [one]
    assert (deleted.status_code, gone.status_code, code(gone)) == (204, 404, "alias_not_found")


@pytest.mark.parametrize(
    ("alias", "body", "status"),
    [
        ("live", {"version": 3}, 404),
        ("live", {"version": 1, "weights": {"3": 0.1}}, 404),
        ("live", {"version": 1, "weights": {"1": 0.1}}, 422),
        ("live", {"version": 1, "weights": {"2": 0}}, 422),
        ("live", {"version": 1, "weights": {"2": 1}}, 422),
        ("live", {"version": 1, "weights": {"x": 0.5}}, 422),
        ("live", {}, 422),
        ("latest", {"version": 1}, 422),
        ("1", {"version": 1}, 422),
        ("a:b", {"version": 1}, 422),
    ],
)
async def test_an_impossible_alias_is_refused_and_not_made(alias, body, status):
    async with serving() as (_, client):
        await versions_made(client, 2)
        answer = await client.put(f"/functions/hello/aliases/{alias}", json=body)
        listed = (await client.get("/functions/hello/aliases")).json()["items"]

    assert (answer.status_code, listed) == (status, [])


async def test_an_alias_stays_where_it_is_while_the_version_it_should_move_to_cannot_be_loaded():
    async with serving() as (_, client):
        await client.put("/functions/hello", json={"environment": {"BROKEN": "1"}})
        await client.put("/functions/hello/aliases/live", json={"version": 1})
        refused = await client.put("/functions/hello/aliases/live", json={"version": 2})
        run = await ran(client, "hello:live")

    assert (refused.status_code, code(refused), run) == (409, "version_broken", 1)


async def test_a_deleted_function_takes_its_aliases_along():
    async with serving() as (grid, client):
        await client.put("/functions/hello/aliases/live", json={"version": 1})
        await client.delete("/functions/hello")
        left = await grid.backend.record_store.list_records("alias", limit=10)

    assert left.items == []


async def test_weights_share_runs_out_exactly():
    """Chances that are evenly spread give each version its share."""
    chances = iter([n / 64 for n in range(64)])
    async with serving() as (grid, client):
        await versions_made(client, 3)
        backend = grid.backend
        aliases = Aliases(backend.record_store, backend.registry, ManualClock(), chance=lambda: next(chances))
        await aliases.put("hello", "live", 3, {1: 0.25, 2: 0.125}, tenant="default")
        met = Counter([(await aliases.resolve("hello:live", "default")).version for _ in range(64)])

    assert met == {1: 16, 2: 8, 3: 40}


async def test_an_alias_that_another_process_moved_is_followed_within_seconds():
    async with serving() as (grid, client):
        await versions_made(client, 2)
        backend, clock = grid.backend, ManualClock()
        here = Aliases(backend.record_store, backend.registry, clock)
        there = Aliases(backend.record_store, backend.registry, clock)
        moved, spent = await there.put("hello", "live", 1, {}, tenant="default")
        first = (await here.resolve("hello:live", "default")).version
        await there.put("hello", "live", 2, {}, tenant="default")
        known = (await here.resolve("hello:live", "default")).version
        await clock.advance(2)
        fresh = (await here.resolve("hello:live", "default")).version
        await there.delete("hello", "live", tenant="default")
        await clock.advance(2)
        with pytest.raises(FunctionNotFound, match="no alias 'live'"):
            await here.resolve("hello:live", "default")
        with pytest.raises(AliasNotFound):
            await there.delete("hello", "live", tenant="default")

    assert (first, known, fresh) == (1, 1, 2)
    assert (moved.version, spent) == (1, None)
