"""Runs over HTTP: waited for or not, once per key, listed, cancelled, redriven."""

import asyncio

import msgspec
import pytest

from gateway_harness import serving, working
from nanogrid.identifiers import new_run_id
from nanogrid.model import Outcome, RunStatus

RECORD = {
    *("runId", "functionId", "functionName", "version", "status", "output", "error", "logs", "usage", "attempt"),
    *("createdAt", "startedAt", "endedAt"),
}


async def test_a_run_answers_200_with_the_whole_record():
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello", "input": {"a": [1, 2.5, None]}})

    record = answer.json()
    assert answer.status_code == 200
    assert set(record) >= RECORD
    assert (record["status"], record["output"]) == ("succeeded", {"a": [1, 2.5, None]})
    assert "input" not in record


async def test_an_absent_input_is_null():
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello"})

    assert answer.json()["output"] is None


async def test_a_function_that_fails_is_a_200_whose_run_says_so():
    async with serving() as (grid, client):
        grid.calls["hello"] = int
        answer = await client.post("/run", json={"functionId": "hello", "input": "x"})

    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["kind"] == "exception"


@pytest.mark.parametrize(
    ("body", "headers"),
    [({"mode": "async"}, {}), ({}, {"prefer": "respond-async"}), ({"mode": "sync"}, {"prefer": "Respond-Async; x=1"})],
)
async def test_an_asynchronous_run_is_a_202_with_its_address(body, headers):
    async with serving(idle=True) as (grid, client):
        answer = await client.post("/run", json={"functionId": "hello"} | body, headers=headers)
        task = await grid.take()

    record = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/runs/{record['runId']}"
    assert (record["status"], task.mode) == ("queued", "async")
    assert answer.headers.get("preference-applied") == ("respond-async" if headers else None)


@pytest.mark.parametrize("prefer", ["wait=0", 'wait="0"', "handling=lenient, wait=0"])
async def test_a_wait_that_runs_out_is_a_202_and_says_which_preference_was_applied(prefer):
    async with serving(idle=True) as (_, client):
        answer = await client.post("/run", json={"functionId": "hello"}, headers={"prefer": prefer})

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"


async def test_an_asynchronous_run_may_still_be_waited_for_a_while():
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello"}, headers={"prefer": "respond-async, wait=20"})

    assert answer.status_code == 200
    assert answer.json()["mode"] == "async"
    assert answer.headers["preference-applied"] == "respond-async, wait=20"


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=soon", "wait=", "unknown", "wait=" + "9" * 400, ",;,"])
async def test_a_preference_that_makes_no_sense_is_ignored(prefer):
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello"}, headers={"prefer": prefer})

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


async def test_the_same_key_and_body_are_one_run_and_another_body_is_a_conflict():
    key = {"idempotency-key": "order-17"}
    async with serving() as (_, client):
        same = [await client.post("/run", json={"functionId": "hello", "input": 1}, headers=key) for _ in range(2)]
        other = await client.post("/run", json={"functionId": "hello", "input": 2}, headers=key)

    assert [answer.status_code for answer in same] == [200, 200]
    assert same[0].json() == same[1].json()
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é".encode(), "a\tb"])
async def test_a_key_that_is_not_visible_ascii_is_refused(key):
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello"}, headers={"idempotency-key": key})

    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_a_full_backlog_is_a_429_that_says_when_to_come_again():
    async with serving(idle=True, max_backlog=1) as (_, client):
        answers = [
            await client.post("/run", json={"functionId": "hello"}, headers={"prefer": "wait=0"}) for _ in range(2)
        ]
        history = (await client.get("/runs")).json()["items"]

    assert [answer.status_code for answer in answers] == [202, 429]
    assert int(answers[1].headers["retry-after"]) >= 1
    assert [item["runId"] for item in history] == [answers[0].json()["runId"]]


async def test_an_input_over_six_mebibytes_is_a_413():
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello", "input": "x" * (6 * 1024 * 1024)})
        history = (await client.get("/runs")).json()["items"]

    assert answer.status_code == 413
    assert "6291456" in answer.json()["detail"]
    assert history == []


async def test_an_input_of_just_under_six_mebibytes_comes_back_whole():
    text = "x" * (6 * 1024 * 1024 - 2)
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello", "input": text})

    assert answer.json()["output"] == text


async def test_a_run_is_read_with_its_input_and_a_long_poll_returns_at_its_end():
    async with serving(idle=True) as (grid, client):
        accepted = await client.post("/run", json={"functionId": "hello", "input": 7, "mode": "async"})
        address = accepted.headers["location"]
        polling = asyncio.create_task(client.get(address, params={"waitMs": 60_000}))
        async with working(grid):
            record = (await polling).json()

    assert (record["status"], record["input"], record["output"]) == ("succeeded", 7, 7)


async def test_history_is_newest_first_by_function_and_state():
    async with serving() as (_, client):
        await client.post("/functions", json={"name": "b", "runtime": "python3.11", "source": "def handler(e, c): ..."})
        ids = [(await client.post("/run", json={"functionId": "hello", "input": n})).json()["runId"] for n in range(3)]
        await client.post("/run", json={"functionId": "b"})
        query = {"functionId": "hello", "status": "succeeded", "limit": 2}
        first = (await client.get("/runs", params=query)).json()
        rest = (await client.get("/runs", params=query | {"cursor": first["nextCursor"]})).json()
        failed = (await client.get("/runs", params={"status": "failed"})).json()

    assert [item["runId"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert failed == {"items": [], "nextCursor": None}


async def test_a_queued_run_is_cancelled_once_and_an_ended_one_never():
    async with serving(idle=True) as (grid, client):
        address = (await client.post("/run", json={"functionId": "hello", "mode": "async"})).headers["location"]
        cancelled = [await client.delete(address) for _ in range(2)]
        other = (await client.post("/run", json={"functionId": "hello", "mode": "async"})).headers["location"]
        await grid.finish(other.rpartition("/")[2], Outcome(status=RunStatus.SUCCEEDED))
        refused = await client.delete(other)

    assert [(answer.status_code, answer.json()["status"]) for answer in cancelled] == [(200, "cancelled")] * 2
    assert (refused.status_code, refused.json()["code"]) == (409, "run_ended")


async def test_a_dead_run_is_listed_with_its_reason_and_redriven():
    async with serving(idle=True) as (grid, client):
        run_id = (await client.post("/run", json={"functionId": "hello", "mode": "async"})).json()["runId"]
        (lease,) = await grid.backend.task_queue.receive(limit=1, wait_s=20)
        await grid.finish(run_id, Outcome(status=RunStatus.DEAD))
        await grid.backend.dead_letters.bury(lease, "no disk")
        listed = (await client.get("/dead-letters")).json()
        redriven = await client.post(f"/dead-letters/{run_id}/redrive")
        again = await client.post(f"/dead-letters/{run_id}/redrive")

    assert [item["reason"] for item in listed["items"]] == ["no disk"]
    assert (redriven.status_code, redriven.json()["status"]) == (202, "queued")
    assert redriven.headers["location"] == f"/runs/{run_id}"
    assert again.status_code == 409


async def test_an_unknown_run_is_a_404_never_pending():
    async with serving() as (_, client):
        answers = [
            await client.get(f"/runs/{new_run_id()}"),
            await client.delete(f"/runs/{new_run_id()}"),
            await client.get("/runs/run_..%00"),
        ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "run_not_found")] * 3


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/runs?limit=0", "?limit"),
        ("/runs?limit=201", "?limit"),
        ("/runs?limit=ten", "?limit"),
        ("/runs?status=lost", "?status"),
        ("/runs?colour=red", "?colour"),
        ("/functions/hello?version=0", "?version"),
        ("/functions/hello/logs?limit=1001", "?limit"),
        ("/runs/run_00000000000000000000000000?waitMs=60001", "?waitMs"),
    ],
)
async def test_an_impossible_query_is_a_422_that_names_the_field(address, path):
    async with serving() as (_, client):
        answer = await client.get(address)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize("query", ["limit=1&limit=2", "cursor=%ff", "&".join(f"a{n}=1" for n in range(30))])
async def test_a_query_that_cannot_be_read_is_a_400(query):
    async with serving() as (_, client):
        answer = await client.get(f"/runs?{query}")

    assert answer.status_code == 400


async def test_a_foreign_cursor_is_a_400():
    async with serving() as (_, client):
        answer = await client.get("/runs", params={"cursor": "not-ours"})

    assert answer.status_code == 400


async def test_the_output_passes_byte_by_byte():
    exact = b'{"big":12345678901234567890123456789, "small": 1.0e-300,"text":"\\u00e9 \xc3\xa9"}'
    async with serving(idle=True) as (grid, client):
        accepted = await client.post("/run", json={"functionId": "hello", "mode": "async"})
        run_id = accepted.json()["runId"]
        await grid.finish(run_id, Outcome(status=RunStatus.SUCCEEDED, output=msgspec.Raw(exact)))
        answer = await client.get(f"/runs/{run_id}")

    assert b'"output":' + exact in answer.content
