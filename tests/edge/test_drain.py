"""A really started grid that drains: what runs may end, nothing new is taken."""

import asyncio
import signal

from flow_steps import deploy, http, reached, run
from grid import started_grid

#: Long enough to be asked about while it runs.
SLEEPY = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"


async def test_a_grid_that_drains_refuses_work_and_answers_what_it_has():
    async with started_grid() as grid, http(grid) as client:
        await deploy(client, "sleepy", SLEEPY)
        waiting = asyncio.create_task(run(client, "sleepy", 4))
        while not (listed := (await client.get("/runs")).json()["items"]):
            pass
        await reached(client, listed[0]["runId"], "running")
        assert grid.process is not None
        grid.process.send_signal(signal.SIGTERM)
        while (await client.get("/health/ready")).status_code == 200:
            pass
        refused = [await run(client, "sleepy", 0), await client.delete("/functions/sleepy")]
        told = await client.get("/functions/sleepy")
        answer = await waiting

    assert [(reply.status_code, reply.headers["retry-after"]) for reply in refused] == [(503, "1")] * 2
    assert refused[0].json()["code"] == "unavailable"
    assert told.status_code == 200
    assert answer.json()["output"] == 4
