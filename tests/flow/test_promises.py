"""What the grid promises when much is asked at once: one run for one key, turns for all, refusals that cost nothing."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from flow_steps import deploy, ended, http, run
from grid import started_grid

#: Leaves a line for each execution where everybody can see it: plain processes see the machine's files.
MARKING = """
import os
def handler(event, context):
    descriptor = os.open(event["marks"], os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"executed\\n")
    os.close(descriptor)
    return os.urandom(8).hex()
"""
SLEEPY = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
#: What every answer to the same question has in common: the rest of the record goes on while the run does.
SAME = ("runId", "functionId", "version", "createdAt")


@pytest.fixture
def marks():
    """An empty file that functions may write to, whoever they are."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-test-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "marks"
        path.touch()
        path.chmod(0o666)
        yield path


async def test_a_hundred_requests_at_once_with_one_key_are_one_execution_and_one_answer(marks):
    event = {"marks": str(marks)}
    async with started_grid("--sandbox", "process") as grid, http(grid) as client:
        await deploy(client, "marking", MARKING)
        asked = [run(client, "marking", event, **{"Idempotency-Key": "one"}) for _ in range(100)]
        answers = [answer.json() for answer in await asyncio.gather(*asked)]
        later = (await run(client, "marking", event, **{"Idempotency-Key": "one"})).json()
        other = await run(client, "marking", event | {"more": 1}, **{"Idempotency-Key": "one"})

    assert marks.read_text() == "executed\n"
    assert {(answer["status"], answer["output"]) for answer in answers} == {("succeeded", later["output"])}
    assert {tuple(answer[name] for name in SAME) for answer in answers} == {tuple(later[name] for name in SAME)}
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


async def test_a_full_backlog_is_refused_with_a_time_to_come_again_and_what_was_accepted_ends():
    environment = {"NANOGRID_MAX_BACKLOG": "20", "NANOGRID_MAX_RUNNING": "2"}
    async with started_grid(environment=environment) as grid, http(grid) as client:
        await deploy(client, "sleepy", SLEEPY)
        asked = [run(client, "sleepy", 0.01, Prefer="respond-async") for _ in range(200)]
        answers = await asyncio.gather(*asked)
        accepted = [answer.json()["runId"] for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code != 202]
        records = await asyncio.gather(*(ended(client, run_id) for run_id in accepted))
        listed = (await client.get("/runs", params={"limit": 200})).json()["items"]

    assert {answer.status_code for answer in refused} == {429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert {record["status"] for record in records} == {"succeeded"}
    assert {record["runId"] for record in listed} == set(accepted)


async def test_a_single_run_does_not_wait_behind_the_many_of_another_function():
    async with started_grid(environment={"NANOGRID_MAX_RUNNING": "1"}) as grid, http(grid) as client:
        for name in ("many", "single"):
            await deploy(client, name, SLEEPY)
        many = await asyncio.gather(*(run(client, "many", 0.01, Prefer="respond-async") for _ in range(60)))
        single = await run(client, "single", 0, Prefer="respond-async")
        record = await ended(client, single.json()["runId"])
        others = await asyncio.gather(*(ended(client, answer.json()["runId"]) for answer in many))

    accepted_at = record["createdAt"]
    overtook = [other for other in others if accepted_at < other["startedAt"] < record["startedAt"]]
    assert len(overtook) <= 2  # the one whose turn it was, and the one before it is our turn
    assert {other["status"] for other in others} == {"succeeded"}
