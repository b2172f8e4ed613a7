"""A server without a descriptor left goes on with what it has, refuses what needs one, and heals by itself."""

import resource
from contextlib import contextmanager

from flow_steps import deploy, ended, http, run
from grid import started_grid

_ECHO = "def handler(event, context):\n    return event\n"


@contextmanager
def no_new_descriptors(pid):
    """Nothing that the process opens meanwhile gets a number; what it has stays open."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


async def test_without_descriptors_what_runs_goes_on_what_is_new_is_refused_and_later_all_is_well():
    new = {"name": "new", "runtime": "python3", "source": f"{_ECHO}# new\n"}
    async with started_grid("--sandbox", "process") as grid, http(grid) as client:
        await deploy(client, "echo", _ECHO)
        await run(client, "echo", 0)
        with no_new_descriptors(grid.pid):
            warm = await run(client, "echo", 1)
            promised = await run(client, "echo", 2, Prefer="respond-async")
            refused = await client.post("/functions", json=new)
        kept = await ended(client, promised.json()["runId"])
        accepted = await client.post("/functions", json=new)
        later = await run(client, "new", 3)

    assert (warm.json()["output"], kept["output"], accepted.status_code, later.json()["output"]) == (1, 2, 201, 3)
    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert "Too many open files" in refused.json()["detail"]
