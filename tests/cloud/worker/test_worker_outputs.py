"""What a run leaves and yields on AWS, as a user of the API and of the SDK sees it."""

import httpx

from aws_place import place
from chaos.aws_front import TOKEN, front_door
from flow_steps import deploy, run
from nanogrid import AsyncClient

SOURCE = """
import os
def handler(event, context):
    with open(os.environ["NANOGRID_OUTPUT"] + "/page.html", "w") as file:
        file.write("<script>")
    yield "one "
    yield "two"
"""


async def test_files_are_in_the_bucket_and_what_is_yielded_comes_at_the_end(tmp_path):
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        place(tmp_path) as grid,
        grid.worker() as worker,
        front_door(grid.settings, grid.environ, tmp_path) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as client,
        AsyncClient(url, TOKEN) as sdk,
    ):
        await grid.event("worker.started", worker)
        await deploy(client, "leaving", SOURCE, http="public")
        ended = (await run(client, "leaving", {})).json()
        (listed,) = (await client.get(f"/runs/{ended['runId']}/artifacts")).json()["items"]
        answer = await client.get(f"/runs/{ended['runId']}/artifacts/page.html")
        saved = await client.get(answer.headers["location"], headers={"authorization": ""})
        content = await sdk.artifact(ended["runId"], "page.html")
        parts = [part async for part in sdk.stream("leaving")]
        called = await client.get("/fn/leaving/x")

    assert (ended["output"], ended["streamed"], listed) == (["one ", "two"], True, ended["artifacts"][0])
    assert (answer.status_code, saved.content, content) == (303, b"<script>", b"<script>")
    assert saved.headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert parts == ["one ", "two"]
    assert (called.text, called.headers["content-type"]) == ("one two", "text/plain; charset=utf-8")
