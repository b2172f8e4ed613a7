"""Functions over HTTP: deployed, read, listed, updated, deleted; bad ones refused with the field's path."""

import base64
import io
import zipfile

import pytest

from gateway_harness import HELLO, SOURCE, serving
from nanogrid.model import DEFAULT_MEMORY_MB

OTHER = SOURCE + "# other\n"
RECORD = {
    *("functionId", "name", "tenant", "version", "runtime", "handler", "memoryMb", "timeoutMs", "environment"),
    *(
        "network",
        "secrets",
        "concurrency",
        "retries",
        "maxAgeMs",
        "autoMemoryMb",
        "note",
        "idleTtlMs",
        "http",
        "codeSha256",
        "codeSize",
        "createdAt",
        "updatedAt",
    ),
}


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


async def test_a_deployment_answers_201_with_the_record_and_its_address():
    async with serving() as (_, client):
        answer = await client.post("/functions", json=HELLO | {"name": "other", "memoryMb": 256})

    record = answer.json()
    assert answer.status_code == 201
    assert set(record) == RECORD
    assert (record["name"], record["version"], record["memoryMb"]) == ("other", 1, 256)
    assert answer.headers["location"] == f"/functions/{record['functionId']}"


async def test_code_comes_as_base64_in_json_or_as_a_file_in_multipart_and_is_the_same():
    archive = zipped(app__py="def main(event, context):\n    return 1\n")
    settings = {"runtime": "python3.11", "handler": "app.main"}
    async with serving() as (_, client):
        as_json = await client.post(
            "/functions", json={"name": "a", "zip": base64.b64encode(archive).decode(), **settings}
        )
        as_file = await client.post(
            "/functions",
            data={"name": "b", "memoryMb": "256", "environment": '{"COLOUR": "red"}', **settings},
            files={"zip": ("app.zip", archive, "application/zip")},
        )

    assert as_json.status_code == 201, as_json.text
    assert as_file.status_code == 201, as_file.text
    assert as_json.json()["codeSha256"] == as_file.json()["codeSha256"]
    assert as_file.json()["memoryMb"] == 256
    assert as_file.json()["environment"] == {"COLOUR": "red"}


async def test_an_update_makes_the_next_version_and_leaves_the_rest_as_it_was():
    async with serving() as (_, client):
        before = (await client.get("/functions/hello")).json()
        after = await client.put("/functions/hello", json={"timeoutMs": 5})
        first = (await client.get("/functions/hello?version=1")).json()
        versions = (await client.get("/functions/hello/versions")).json()

    assert after.status_code == 200
    assert (after.json()["version"], after.json()["timeoutMs"]) == (2, 5)
    assert after.json()["codeSha256"] == before["codeSha256"]
    assert first == before
    assert [item["version"] for item in versions["items"]] == [2, 1]


async def test_a_function_is_found_by_id_as_by_name_and_a_deleted_one_by_neither():
    async with serving() as (grid, client):
        function_id = (await client.get("/functions/hello")).json()["functionId"]
        by_id = await client.get(f"/functions/{function_id}")
        deleted = await client.delete(f"/functions/{function_id}")
        gone = [await client.get(f"/functions/{reference}") for reference in (function_id, "hello")]
        archives = grid.archives()

    assert by_id.status_code == 200
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [answer.json()["code"] for answer in gone] == ["function_not_found"] * 2
    assert archives == 0


async def test_functions_are_listed_by_name_page_by_page():
    async with serving() as (_, client):
        for name in ("zebra", "ant"):
            await client.post("/functions", json=HELLO | {"name": name})
        first = (await client.get("/functions", params={"limit": 2})).json()
        rest = (await client.get("/functions", params={"limit": 2, "cursor": first["nextCursor"]})).json()

    assert [item["name"] for item in first["items"] + rest["items"]] == ["ant", "hello", "zebra"]
    assert rest["nextCursor"] is None


async def test_recommendations_appear_once_runs_exist():
    async with serving() as (_, client):
        before = (await client.get("/functions/hello")).json()
        await client.post("/run", json={"functionId": "hello"})
        after = (await client.get("/functions/hello")).json()

    assert "recommendedMemoryMb" not in before
    assert after["recommendedMemoryMb"] == 272  # 200 MB and 30 per cent, in steps of 16
    assert after["recommendedTimeoutMs"] == 1000
    assert after["memoryMb"] == DEFAULT_MEMORY_MB


async def test_a_taken_name_is_a_conflict():
    async with serving() as (_, client):
        answer = await client.post("/functions", json=HELLO)

    assert answer.status_code == 409
    assert answer.json()["code"] == "name_taken"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"memoryMb": 127}, "$.memoryMb"),  # below the least
        ({"memoryMb": 10_241}, "$.memoryMb"),  # above the most
        ({"memoryMb": "256"}, "$.memoryMb"),  # a text is no number in JSON
        ({"memoryMb": True}, "$.memoryMb"),
        ({"timeoutMs": 0}, "$.timeoutMs"),
        ({"timeoutMs": 12 * 3_600_000 + 1}, "$.timeoutMs"),
        ({"timeoutMs": 10**30}, "$.timeoutMs"),  # larger than any machine integer
        ({"retries": 11}, "$.retries"),
        ({"concurrency": -1}, "$.concurrency"),
        ({"concurrency": 10_001}, "$.concurrency"),
        ({"idleTtlMs": -1}, "$.idleTtlMs"),
        ({"maxAgeMs": 604_800_001}, "$.maxAgeMs"),
        ({"network": "everything"}, "$.network"),
        ({"environment": {"1ST": "x"}}, "$.environment"),  # no name of a variable
        ({"environment": {"A\n": "x"}}, "$.environment"),  # would end a line
        ({"environment": {"A": "x\0y"}}, "$.environment"),  # would end the value
        ({"environment": {"A": 1}}, "$.environment[...]"),
        ({"environment": {"A": "x" * 32_768}}, "$.environment"),  # names count, too
        ({"name": "../etc"}, "$.name"),
        ({"name": "a\n"}, "$.name"),
        ({"name": "x" * 65}, "$.name"),
        ({"name": None}, "$.name"),
        ({"runtime": "cobol"}, "$.runtime"),
        ({"handler": "elsewhere.handler"}, "$.handler"),
        ({"memory_mb": 256}, "$.memory_mb"),  # camelCase only
        ({"zip": "***"}, "$.zip"),
        ({"zip": base64.b64encode(b"no zip").decode(), "source": None}, "$.source"),
        ({"zip": base64.b64encode(zipped(main__py=SOURCE)).decode()}, "$.zip"),  # source and zip at once
    ],
)
async def test_an_impossible_deployment_is_a_422_that_names_the_field_and_leaves_nothing(change, path):
    async with serving() as (grid, client):
        answer = await client.post("/functions", json=HELLO | {"name": "other", "source": OTHER} | change)
        listed, archives = (await client.get("/functions")).json(), grid.archives()

    assert answer.status_code == 422, answer.text
    assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert [item["name"] for item in listed["items"]] == ["hello"]
    assert archives == 1


@pytest.mark.parametrize(("missing", "path"), [("name", "$.name"), ("runtime", "$.runtime"), ("source", "$.source")])
async def test_a_missing_field_is_named(missing, path):
    body = {key: value for key, value in (HELLO | {"name": "other"}).items() if key != missing}
    async with serving() as (_, client):
        answer = await client.post("/functions", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


async def test_an_unsafe_archive_is_refused_with_its_reason():
    archive = base64.b64encode(b"this is no archive").decode()
    async with serving() as (_, client):
        answer = await client.post("/functions", json={"name": "other", "runtime": "python3.11", "zip": archive})

    assert answer.status_code == 422
    assert answer.json()["code"] == "archive_refused"


@pytest.mark.parametrize(
    "reference",
    ["..%2f..%2fetc", "%00", "%e2%80%a5", "x" * 7000, "a.b", "run_" + "0" * 26, "*", "hello%0a"],
)
async def test_what_cannot_be_a_functions_name_is_simply_not_found(reference):
    async with serving() as (_, client):
        answers = [
            await client.get(f"/functions/{reference}"),
            await client.post("/run", json={"functionId": reference[:64]}),
        ]

    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"memoryMb": "many"}, "$.memoryMb"),
        ({"environment": "[1]"}, "$.environment"),
        ({"environment": "{"}, "$.environment"),
        ({"colour": "red"}, "$.colour"),
    ],
)
async def test_a_bad_part_of_a_multipart_body_is_named(data, path):
    archive = zipped(main__py=SOURCE)
    async with serving() as (_, client):
        answer = await client.post(
            "/functions", data={"name": "other", "runtime": "python3.11", **data}, files={"zip": archive}
        )

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize(
    ("body", "boundary", "status"),
    [
        (b"", "x", 400),  # nothing at all
        (b'--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nhalf', "x", 400),  # ends too early
        (b"no boundary in sight", "x", 400),
        (b"--x\r\n\r\nnameless\r\n--x--\r\n", "x", 400),
        (b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n' * 2 + b"--x--\r\n", "x", 400),  # twice
        (
            b"".join(b'--x\r\ncontent-disposition: form-data; name="f%d"\r\n\r\n1\r\n' % n for n in range(30))
            + b"--x--\r\n",
            "x",
            413,
        ),  # more parts than there are fields
    ],
)
async def test_a_broken_multipart_body_is_refused(body, boundary, status):
    async with serving() as (_, client):
        answer = await client.post(
            "/functions", content=body, headers={"content-type": f"multipart/form-data; boundary={boundary}"}
        )

    assert answer.status_code == status, answer.text


async def test_a_multipart_body_without_a_boundary_is_refused():
    async with serving() as (_, client):
        answer = await client.post("/functions", content=b"x", headers={"content-type": "multipart/form-data"})

    assert answer.status_code == 400
