"""What the local backend has told done is there after SIGKILL, in the middle of everything."""

import asyncio
import sys

import pytest

from clocks import ManualClock
from nanogrid.backends.local import open_local

#: Accepts and sends without end, and says of each run, when both have returned, that it is safe.
WRITER = """
import asyncio, pathlib, sys
from clocks import ManualClock
from nanogrid.backends.local import open_local
from records import some_run, some_task

async def accept(backend):
    while True:
        run = await backend.run_store.accept(some_run(), durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
        print(run.run_id, flush=True)

async def main():
    async with open_local(pathlib.Path(sys.argv[1]), ManualClock()) as backend:
        await asyncio.gather(*(accept(backend) for _ in range(20)))

asyncio.run(main())
"""


@pytest.mark.parametrize("count", [1, 50, 1_000])
async def test_every_run_that_was_accepted_is_there_after_a_kill(tmp_path, count):
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(tmp_path / "data")),
        env={"PYTHONPATH": ":".join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
    )
    safe = {(await writer.stdout.readline()).decode().strip() for _ in range(count)}
    writer.kill()
    await writer.wait()
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        leases = await backend.task_queue.receive(limit=1_000_000, wait_s=0)
        runs = [await backend.run_store.get(run_id) for run_id in safe]

    assert len(safe) == count
    assert safe <= {lease.task.run_id for lease in leases}
    assert len(runs) == count
