"""The steps that flow tests are made of."""

import asyncio
import base64
import io
import zipfile

import httpx

from grid import StartedGrid


def http(grid: StartedGrid) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=grid.url, headers=grid.headers, timeout=60)


async def deploy(client: httpx.AsyncClient, name: str, source: str, **settings: object) -> dict:
    answer = await client.post("/functions", json={"name": name, "runtime": "python3", "source": source, **settings})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def run(client: httpx.AsyncClient, name: str, value: object, **headers: str) -> httpx.Response:
    return await client.post("/run", json={"functionId": name, "input": value}, headers=headers)


async def ended(client: httpx.AsyncClient, run_id: str) -> dict:
    while True:
        record = (await client.get(f"/runs/{run_id}", params={"waitMs": 20000})).json()
        if record["status"] not in ("queued", "running"):
            return record


def zipped(files: dict[str, str]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(buffer.getvalue()).decode()


async def reached(client: httpx.AsyncClient, run_id: str, status: str) -> None:
    """Return when the run has that status: the API has no event for it, so ask until it says so."""
    while (await client.get(f"/runs/{run_id}")).json()["status"] != status:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
