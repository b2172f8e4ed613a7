"""Functions as web servers: who may call them under `/fn`, and what becomes of their answer."""

import asyncio
from typing import Any

import pytest

from gateway_harness import HELLO, TOKEN, Grid, serving
from nanogrid.api.call_answer import SANDBOX
from nanogrid.model import ErrorKind, Http, Outcome, RunError, RunStatus

KEY = {"Authorization": f"Bearer {TOKEN}"}


async def open_to(client: Any, http: str) -> None:
    """Let `hello` be called like this from now on."""
    assert (await client.put("/functions/hello", json={"http": http})).status_code == 200


async def test_nobody_is_told_whether_a_function_is_off_or_not_there():
    async with serving() as (_, client):
        await client.post("/functions", json=HELLO | {"name": "quiet", "http": "off"})
        answers = [
            await client.get(f"/fn/{name}/x", headers=headers)
            for name in ("quiet", "nobody", "a.b", "quiet:1", "quiet:live")
            for headers in (KEY, {"Authorization": ""})
        ]

    told = {(a.status_code, a.json()["code"], a.json()["detail"].partition(" is served")[2]) for a in answers}
    assert told == {
        (404, "function_not_found", " under /fn. Deploy the function with `--http token` or `--http public`.")
    }


async def test_off_is_what_a_function_is_that_says_nothing():
    async with serving() as (_, client):
        await client.post("/functions", json={n: v for n, v in HELLO.items() if n != "http"} | {"name": "plain"})
        described = (await client.get("/functions/plain")).json()

    assert described["http"] == Http.OFF


@pytest.mark.parametrize(
    ("http", "scopes", "status"),
    [
        ("public", None, 200),
        ("public", ["read"], 200),
        ("token", None, 401),
        ("token", ["read"], 403),
        ("token", ["run"], 200),
    ],
)
async def test_who_may_call_is_a_setting_of_the_version(http, scopes, status):
    async with serving() as (_, client):
        await open_to(client, http)
        headers = {"Authorization": "Bearer of something else"}
        if scopes is not None:
            key = (await client.post("/keys", json={"name": "some", "scopes": scopes})).json()
            headers = {"Authorization": f"Bearer {key['token']}"}
        answer = await client.get("/fn/hello/x", headers=headers)

    assert answer.status_code == status


async def test_a_key_for_some_functions_calls_no_other():
    async with serving() as (_, client):
        asked_for = {"name": "some", "scopes": ["run"], "functions": ["other"]}
        key = (await client.post("/keys", json=asked_for)).json()
        answer = await client.get("/fn/hello", headers={"Authorization": f"Bearer {key['token']}"})

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_only_the_version_that_is_meant_says_who_may_call():
    async with serving() as (_, client):
        await open_to(client, "public")
        first, second = [await client.get(f"/fn/hello:{n}", headers={"Authorization": ""}) for n in (1, 2)]

    assert (first.status_code, second.status_code) == (401, 200)


async def test_a_function_of_another_tenant_than_the_first_cannot_be_public():
    async with serving() as (_, client):
        key = (await client.post("/keys", json={"name": "a", "scopes": ["admin"], "tenant": "acme"})).json()
        theirs = {"Authorization": f"Bearer {key['token']}"}
        refused = await client.post("/functions", json=HELLO | {"http": "public"}, headers=theirs)
        made = await client.post("/functions", json=HELLO, headers=theirs)
        called = await client.get("/fn/hello", headers=theirs)

    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "$.http")
    assert (made.status_code, called.status_code) == (201, 200)


async def test_a_body_of_somebody_who_may_not_call_is_not_read():
    read = []

    async def body() -> Any:
        read.append(1)
        yield b"x"

    async with serving() as (_, client):
        answer = await client.post("/fn/hello", content=body(), headers={"Authorization": ""})

    assert (answer.status_code, read) == (401, [])


async def test_pages_from_anywhere_may_ask_a_function_but_not_the_grid():
    async with serving() as (_, client):
        await open_to(client, "public")
        foreign = {"Origin": "null"}
        answers = [await client.request(*ask, headers=foreign) for ask in (("OPTIONS", "/fn/hello"), ("GET", "/runs"))]

    assert [a.status_code for a in answers] == [200, 403]
    assert answers[0].json()["headers"]["origin"] == "null"


async def test_the_function_sees_the_request_and_its_caller_sees_what_it_returns():
    async with serving() as (grid, client):
        grid.calls["hello"] = lambda event: {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-Method": event["requestContext"]["http"]["method"]},
            "cookies": ["a=1", "b=2; HttpOnly"],
            "body": f"<p>{event['rawPath']}?{event['rawQueryString']} {event['body']}</p>",
        }
        answer = await client.put("/fn/hello/notes/1", params={"q": "x"}, content=b"text")
        run = (await client.get(f"/runs/{answer.headers['x-nanogrid-run']}")).json()

    assert (answer.status_code, answer.text) == (201, "<p>/notes/1?q=x text</p>")
    assert (answer.headers["content-type"], answer.headers["x-method"]) == ("text/html", "PUT")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2; HttpOnly"]
    assert answer.headers["content-security-policy"] == SANDBOX
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert run["status"] == "succeeded"


async def test_a_plain_value_is_sent_as_json():
    async with serving() as (grid, client):
        grid.calls["hello"] = lambda _: ["a", {"b": None}]
        answer = await client.get("/fn/hello")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == ["a", {"b": None}]


async def test_head_is_a_method_of_its_own_and_has_no_body():
    async with serving() as (grid, client):
        methods = []
        grid.calls["hello"] = lambda event: methods.append(event["requestContext"]["http"]["method"])
        answer = await client.head("/fn/hello")

    assert (answer.status_code, answer.content, methods) == (200, b"", ["HEAD"])


async def test_a_failure_of_the_function_is_a_502_that_names_the_run_and_nothing_else():
    def fails(_: Any) -> None:
        raise ValueError("the password is hunter2")

    async with serving() as (grid, client):
        grid.calls["hello"] = fails
        answer = await client.get("/fn/hello")
        run = (await client.get(f"/runs/{answer.headers['x-nanogrid-run']}")).json()

    assert (answer.status_code, answer.json()["code"]) == (502, "call_failed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert run["error"]["message"] == "the password is hunter2"


async def test_a_time_out_is_a_504_and_a_full_backlog_a_429():
    async with serving(idle=True, max_backlog=1) as (grid, client):
        task = await _waiting_task(grid, client)
        assert task.status_code == 504
        await client.post("/run", json={"functionId": "hello", "mode": "async"})
        full = await client.get("/fn/hello")

    assert (task.json()["code"], full.status_code, full.json()["code"]) == ("call_timed_out", 429, "backlog_full")
    assert "retry-after" in full.headers


async def _waiting_task(grid: Grid, client: Any) -> Any:
    """The answer to a call whose run takes longer than it may."""
    call = asyncio.create_task(client.get("/fn/hello"))
    (lease,) = await grid.backend.task_queue.receive(limit=1, wait_s=20)
    await grid.backend.run_store.start(lease.task.run_id, lease.attempt)
    error = RunError(kind=ErrorKind.TIMED_OUT, type="TimedOut", message="too long")
    await grid.finish(lease.task.run_id, Outcome(status=RunStatus.FAILED, error=error))
    await grid.backend.task_queue.ack(lease)
    return await call
