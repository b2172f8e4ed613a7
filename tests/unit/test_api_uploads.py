"""Archives that are sent ahead: asked for, sent, named by a deployment, and only then believed."""

import base64
import hashlib
import io
import zipfile

import httpx
import pytest

from gateway_harness import SOURCE, serving

DEPLOYMENT = {"name": "large", "runtime": "python3.11"}


def zipped(source: str = SOURCE) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", source)
    return buffer.getvalue()


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def send(client: httpx.AsyncClient, archive: bytes) -> httpx.Response:
    place = (await client.post("/uploads", json={"sha256": digest_of(archive), "size": len(archive)})).json()
    return await client.put(place["address"], content=archive, headers=place["headers"])


async def test_an_archive_that_was_sent_ahead_is_deployed_by_its_digest():
    archive = zipped()
    async with serving() as (_, client):
        sent = await send(client, archive)
        made = await client.post("/functions", json=DEPLOYMENT | {"upload": digest_of(archive)})
        changed = await client.put("/functions/hello", json={"upload": digest_of(archive)})
        inline = await client.post("/functions", json=DEPLOYMENT | {"name": "inline", "zip": _base64(archive)})
        run = await client.post("/run", json={"functionId": "large", "input": 7})

    assert (sent.status_code, made.status_code, changed.status_code) == (204, 201, 200)
    assert made.json()["codeSha256"] == inline.json()["codeSha256"] == changed.json()["codeSha256"]
    assert run.json()["output"] == 7


@pytest.mark.parametrize("how", ["nobody sent it", "another tenant sent it"])
async def test_a_deployment_that_names_what_is_not_there_is_refused_and_leaves_nothing(how):
    archive = zipped("def handler(event, context): return 'other'\n")
    async with serving() as (grid, client):
        if how == "another tenant sent it":
            await grid.backend.uploads.keep(archive, tenant="acme")
        answer = await client.post("/functions", json=DEPLOYMENT | {"upload": digest_of(archive)})
        listed, archives = (await client.get("/functions")).json(), grid.archives()

    assert (answer.status_code, answer.json()["code"]) == (422, "upload_not_found")
    assert answer.json()["errors"][0]["path"] == "$.upload"
    assert ([item["name"] for item in listed["items"]], archives) == (["hello"], 1)


async def test_what_was_sent_ahead_is_checked_as_any_archive():
    async with serving() as (_, client):
        await send(client, b"this is no archive")
        answer = await client.post("/functions", json=DEPLOYMENT | {"upload": digest_of(b"this is no archive")})

    assert (answer.status_code, answer.json()["code"]) == (422, "archive_refused")


async def test_bytes_that_are_not_those_of_the_digest_are_refused_when_they_come():
    async with serving() as (_, client):
        answer = await client.put(f"/uploads/{digest_of(b'one')}", content=b"another")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")
    assert digest_of(b"another") in answer.json()["detail"]


async def test_an_archive_over_the_limit_is_refused_before_it_is_sent():
    async with serving() as (_, client):
        answer = await client.post("/uploads", json={"sha256": "0" * 64, "size": 50 * 1024 * 1024 + 1})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"sha256": "0" * 63, "size": 1}, "$.sha256"),
        ({"sha256": "A" * 64, "size": 1}, "$.sha256"),
        ({"sha256": "0" * 64, "size": 0}, "$.size"),
        ({"sha256": "0" * 64}, "$.size"),
    ],
)
async def test_what_cannot_be_sent_is_named(asked, path):
    async with serving() as (_, client):
        answer = await client.post("/uploads", json=asked)

    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


async def test_code_comes_in_one_way_only():
    archive = zipped()
    async with serving() as (_, client):
        await send(client, archive)
        answer = await client.post("/functions", json=DEPLOYMENT | {"upload": digest_of(archive), "source": SOURCE})

    assert answer.status_code == 422
    assert "code came twice" in answer.json()["detail"]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
