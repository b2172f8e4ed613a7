"""Whatever a kill leaves behind, the next start sweeps away, and a gentle end leaves nothing at all."""

import asyncio

import pytest

from chaos.leaks import groups
from flow_steps import deploy, http, reached, run
from grid import started_grid
from hostile.outside import look, workspace
from nanogrid.sandbox.processes import family, lives

SLEEPY = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"


@pytest.mark.parametrize("sandbox", ["bubblewrap", "process"])
async def test_after_a_kill_the_next_start_leaves_no_process_slot_group_or_folder_of_the_last(sandbox):
    async with started_grid("--sandbox", sandbox) as grid:
        async with http(grid) as client:
            await deploy(client, "sleepy", SLEEPY)
            accepted = [await run(client, "sleepy", 60, Prefer="respond-async") for _ in range(3)]
            await asyncio.gather(*(reached(client, answer.json()["runId"], "running") for answer in accepted))
        inside, folder = family(grid.pid)[1:], workspace(grid.data)
        await grid.kill()
        await grid.start()
        async with http(grid) as client:
            for answer in accepted:  # which run again, and are not what this is about
                await client.delete(f"/runs/{answer.json()['runId']}")
        # A spare that is just being started looks like one of nobody for a moment; what really is one would stay.
        while look(grid.pid, grid.data, sandbox).orphans:  # noqa: ASYNC110 - processes of others have no event
            await asyncio.sleep(0.05)
        left = [pid for pid in inside if lives(pid)]
        await grid.stop()
        remain = [folder.exists(), groups(grid.data)]

    assert left == []
    assert remain == [False, set()]
