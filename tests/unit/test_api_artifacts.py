"""Files of runs over HTTP: listed, downloaded, never shown, and nobody else's."""

from gateway_harness import serving
from nanogrid.identifiers import new_run_id
from nanogrid.model import Artifact, Outcome, RunStatus

PAGE = b"<script>alert(1)</script>"


async def left(grid, client, path="reports/page one.html", content=PAGE):
    """A run that left one file."""
    answer = await client.post("/run", json={"functionId": "hello", "mode": "async"})
    run_id = answer.json()["runId"]
    digest = await grid.backend.artifact_store.put(run_id, content)
    artifact = Artifact(path=path, size=len(content), sha256=digest)
    await grid.finish(run_id, Outcome(status=RunStatus.SUCCEEDED, artifacts=[artifact]))
    return run_id


async def test_what_a_run_left_is_in_its_record_and_in_a_list_of_its_own():
    async with serving(idle=True) as (grid, client):
        run_id = await left(grid, client)
        record = (await client.get(f"/runs/{run_id}")).json()
        listed = (await client.get(f"/runs/{run_id}/artifacts")).json()

    assert [one["path"] for one in listed["items"]] == ["reports/page one.html"]
    assert listed["items"] == record["artifacts"]
    assert listed["items"][0]["size"] == len(PAGE)


async def test_a_file_is_a_download_that_no_browser_shows_as_a_page_of_this_origin():
    async with serving(idle=True) as (grid, client):
        run_id = await left(grid, client)
        answer = await client.get(f"/runs/{run_id}/artifacts/reports/page%20one.html")

    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''page%20one.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_name_cannot_add_to_the_head():
    async with serving(idle=True) as (grid, client):
        run_id = await left(grid, client, path='q"; filename=x.html; \u00e9%0d')
        (listed,) = (await client.get(f"/runs/{run_id}/artifacts")).json()["items"]
        answer = await client.get(f"/runs/{run_id}/artifacts/q%22%3B%20filename%3Dx.html%3B%20%C3%A9%250d")

    assert listed["path"] == 'q"; filename=x.html; \u00e9%0d'
    assert answer.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''q%22%3B%20filename%3Dx.html%3B%20%C3%A9%250d"
    )


async def test_what_a_run_did_not_leave_is_not_found():
    async with serving(idle=True) as (grid, client):
        run_id = await left(grid, client)
        paths = [f"{run_id}/artifacts/other", f"{run_id}/artifacts/../../../token", f"{new_run_id()}/artifacts"]
        answers = [await client.get(f"/runs/{path}") for path in paths]

    assert [answer.json()["code"] for answer in answers] == ["artifact_not_found", "not_found", "run_not_found"]


async def test_where_the_bytes_lie_in_a_bucket_the_answer_leads_there():
    async with serving(idle=True) as (grid, client):
        run_id = await left(grid, client)

        async def address(*asked):
            return f"https://bucket.test/{asked[1]}"

        grid.backend.artifact_store.download_address = address
        answer = await client.get(f"/runs/{run_id}/artifacts/reports/page%20one.html")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://bucket.test/")
    assert answer.content == b""
