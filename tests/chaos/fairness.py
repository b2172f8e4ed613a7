"""How much longer one function's runs take while another is asked for a hundred times as much."""

import asyncio
import json
import os
import sys

from flow_steps import deploy, http
from grid import StartedGrid, started_grid

#: Both functions wait rather than compute: this measures whose turn it is, not how fast the machine is.
_SOURCE = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n"
_MAX_RUNNING = 16
_CROWD = 100
#: How much longer than the measurement the crowd is there, in seconds.
_MARGIN_S = 6.0


async def ratio(seconds: float) -> tuple[float, float]:
    """The p99 of one client's runs alone, in milliseconds, and how many times that it is beside a hundred clients.

    Each load comes from a process of its own, so that no client waits for another.
    """
    async with started_grid(environment={"NANOGRID_MAX_RUNNING": str(_MAX_RUNNING)}) as grid:
        async with http(grid) as client:
            for name in ("single", "crowd"):
                await deploy(client, name, _SOURCE)
        alone = await bench_p99(grid, "single", 1, seconds)
        crowd = asyncio.create_task(bench_p99(grid, "crowd", _CROWD, seconds + _MARGIN_S))
        await asyncio.sleep(_MARGIN_S / 2)  # until it is there
        beside = await bench_p99(grid, "single", 1, seconds)
        await crowd
    return alone, beside / alone


async def bench_p99(grid: StartedGrid, function: str, clients: int, seconds: float) -> float:
    """The p99 of that load, in milliseconds, from a process of its own."""
    ask = ("bench", "--function", function, "--clients", str(clients), "--seconds", str(seconds), "--json")
    environment = os.environ | {"NANOGRID_URL": grid.url, "NANOGRID_TOKEN": grid.token}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nanogrid", *ask, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    figures = json.loads(said)
    assert figures["failed"] == 0, figures
    return figures["p99Ms"]
