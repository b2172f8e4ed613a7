"""Handlers written for AWS Lambda run unchanged through the front door: deployed as a zip, invoked over HTTP."""

import io
import os
import shutil
import zipfile
from pathlib import Path

import httpx
import pytest

from contract_cases import ContractCase, contract_cases
from flow_steps import http, run
from grid import started_grid


def archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                packed.write(path, path.relative_to(folder))
    return buffer.getvalue()


def runnable() -> list[ContractCase]:
    if shutil.which("node") or os.environ.get("CI"):
        return contract_cases()
    return [case for case in contract_cases() if case.language != "nodejs"]


async def outcome(client: httpx.AsyncClient, case: ContractCase) -> dict:
    fields = {
        "name": case.name,
        "runtime": {"python": "python3"}.get(case.language, case.language),
        "handler": case.handler,
    }
    created = await client.post("/functions", data=fields, files={"zip": archive(case.folder)})
    assert created.status_code == 201, created.text
    return (await run(client, case.name, case.event)).json()


def seen(record: dict) -> dict:
    if record["status"] == "succeeded":
        return {"output": record["output"]}
    return {"error": {name: record["error"][name] for name in ("kind", "type", "message")}}


async def test_functions_written_for_lambda_answer_their_documented_events_as_they_do_there():
    cases = runnable()
    async with started_grid() as grid, http(grid) as client:
        answers = {case.name: seen(await outcome(client, case)) for case in cases}

    assert len(cases) >= 20
    assert answers == {case.name: case.expected for case in cases}


@pytest.mark.parametrize("runtime", ["python3.6", "java21", "provided.al2023"])
async def test_a_runtime_that_the_grid_does_not_have_is_refused_at_deploy_and_says_what_there_is(runtime: str):
    async with started_grid() as grid, http(grid) as client:
        refused = await client.post("/functions", json={"name": "old", "runtime": runtime, "source": "x = 1"})
        listed = (await client.get("/functions")).json()

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "runtime_unavailable")
    assert "python3." in problem["detail"]
    assert listed["items"] == []
