"""A misspelt name: the error says what was probably meant, to whoever may see that function."""

import asyncio

import pytest
from msgspec import structs
from test_keys import holding, made

from gateway_harness import serving
from nanogrid.client import AsyncClient
from nanogrid.errors import FunctionNotFound
from nanogrid.identifiers import new_function_id


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/run", {"functionId": "helo"}),
        ("POST", "/run", {"functionId": "Hello:live"}),
        ("GET", "/functions/hallo", None),
        ("PUT", "/functions/hell", {"memoryMb": 256}),
        ("DELETE", "/functions/helllo", None),
        ("GET", "/functions/hello_/logs", None),
        ("POST", "/functions/ello/rollback", {}),
        ("GET", "/runs?functionId=helo", None),
    ],
)
async def test_the_nearest_name_is_suggested_wherever_a_function_is_named(method, path, body):
    async with serving() as (_, client):
        answer = await client.request(method, path, json=body)

    assert answer.json()["code"] == "function_not_found"
    assert "Did you mean 'hello'?" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["thumbnails", "x", "fn_2Mvb0gn4QYY6OZ1kT0Rz0000"])
async def test_what_is_near_to_nothing_gets_no_suggestion(name):
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": name})

    assert answer.json()["code"] == "function_not_found"
    assert "Did you mean" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("key", "suggested"),
    [({"scopes": ["run", "read"]}, True), ({"scopes": ["run"]}, False), ({"tenant": "acme"}, False)],
    ids=["who may read", "who may only run", "another tenant"],
)
async def test_only_who_may_see_the_function_is_told_of_it(key, suggested):
    async with serving() as (grid, owner), holding(grid, (await made(owner, **key))["token"]) as client:
        answer = await client.post("/run", json={"functionId": "helo"})

    assert answer.status_code == 404
    assert ("hello" in answer.json()["detail"]) is suggested


async def test_a_missing_version_or_alias_of_a_function_that_is_there_suggests_no_function():
    async with serving() as (_, client):
        answers = [await client.post("/run", json={"functionId": f"hello:{end}"}) for end in ("9", "live")]

    assert all("Did you mean" not in answer.json()["detail"] for answer in answers)


async def test_functions_beyond_the_first_page_are_suggested_too():
    async with serving() as (grid, client):
        hello = await grid.backend.registry.get("hello")
        names = [*(f"a{number:03d}" for number in range(205)), "zebra"]
        others = [structs.replace(hello, name=name, function_id=new_function_id()) for name in names]
        await asyncio.gather(*(grid.backend.registry.create(other) for other in others))
        answer = await client.get("/functions/zebar")

    assert "Did you mean 'zebra'?" in answer.json()["detail"]


async def test_the_sdk_raises_it_with_the_suggestion():
    async with serving() as (_, client):
        sdk = AsyncClient("http://grid.test", client.headers["authorization"][7:], transport=client._transport)
        with pytest.raises(FunctionNotFound, match="Did you mean 'hello'"):
            await sdk.run("helo")
