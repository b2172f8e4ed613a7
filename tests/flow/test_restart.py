"""State lives in the data folder: a restart, gentle or not, loses nothing that was accepted."""

import asyncio

import pytest

from flow_steps import deploy, ended, http, run
from grid import started_grid

SLOW = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n    return event * 2\n"


async def test_functions_history_and_settings_survive_a_restart():
    async with started_grid() as grid:
        async with http(grid) as client:
            before = await deploy(client, "slow", SLOW, timeoutMs=5000, environment={"A": "1"})
            record = (await run(client, "slow", 21)).json()
        code = await grid.stop()
        await grid.start()
        async with http(grid) as client:
            after = (await client.get("/functions/slow")).json()
            stored = await ended(client, record["runId"])
            again = (await run(client, "slow", 4)).json()

    assert code == 0
    assert {k: after[k] for k in before} == before
    assert (stored["status"], stored["output"]) == ("succeeded", 42)
    assert again["output"] == 8


@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_a_restart_in_the_middle_of_200_queued_runs_loses_none(way: str):
    async with started_grid() as grid:
        async with http(grid) as client:
            await deploy(client, "slow", SLOW, concurrency=2)
            accepted = [run(client, "slow", n, Prefer="respond-async") for n in range(200)]
            ids = [answer.json()["runId"] for answer in await asyncio.gather(*accepted)]
        await (grid.stop() if way == "stop" else grid.kill())
        await grid.start()
        async with http(grid) as client:
            records = await asyncio.gather(*(ended(client, run_id) for run_id in ids))

    assert [record["status"] for record in records] == ["succeeded"] * 200
    assert [record["output"] for record in records] == [n * 2 for n in range(200)]


async def test_a_run_whose_wait_ran_out_survives_a_kill():
    async with started_grid() as grid:
        async with http(grid) as client:
            await deploy(client, "slow", "import time\ndef handler(e, c):\n    time.sleep(3)\n    return 'done'\n")
            answer = await run(client, "slow", None, Prefer="wait=1")
        await grid.kill()
        await grid.start()
        async with http(grid) as client:
            record = await ended(client, answer.json()["runId"])

    assert answer.status_code == 202
    assert record["output"] == "done"
