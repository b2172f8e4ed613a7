"""`nanogrid worker` as a process of its own, on an emulated AWS and a real Redis."""

import signal
import subprocess
import sys
from itertools import accumulate

import httpx
import pytest

from aws_place import own_environment, place
from nanogrid.change import Change
from nanogrid.model import Run, RunStatus


def _most_at_once(runs: list[Run]) -> int:
    """How many of the runs were under way at the same moment."""
    moments = [(run.started_at, 1) for run in runs] + [(run.ended_at, -1) for run in runs]
    return max(accumulate(change for _, change in sorted(moments)))


async def test_two_workers_together_keep_to_a_function_s_limit_and_one_that_dies_blocks_nobody(tmp_path):
    short = {"NANOGRID_LEASE_S": "3"}
    async with place(tmp_path) as grid:
        await grid.resource_manager.update("sleeps", Change(concurrency=2))
        async with grid.worker("first") as first, grid.worker("second") as second:
            for name, worker in (("first", first), ("second", second)):
                await grid.event("worker.started", worker, name)
            crowd = [await grid.submit(0.3) for _ in range(12)]
            for run_id in crowd:
                await grid.until(run_id, RunStatus.SUCCEEDED)
            runs = [await grid.backend.run_store.get(run_id) for run_id in crowd]
        await grid.resource_manager.update("sleeps", Change(concurrency=1))
        async with grid.worker("dies", **short) as dies:
            held = await grid.submit(1000)
            await grid.until(held, RunStatus.RUNNING)
            dies.kill()
        await grid.dispatcher.cancel(held)
        waits = await grid.submit(0)
        async with grid.worker("lives", **short):
            await grid.until(waits, RunStatus.SUCCEEDED)

    assert _most_at_once(runs) <= 2


async def test_sigterm_lets_what_runs_end_gives_back_what_does_not_and_ends_well(tmp_path):
    async with place(tmp_path) as grid, grid.worker(NANOGRID_GRACE_S="6") as worker:
        started = await grid.event("worker.started", worker)
        url = f"http://127.0.0.1:{started['health_port']}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            before = await http.get("/health/ready")
            metrics = await http.get("/metrics")
            ends, goes_on = await grid.submit(2), await grid.submit(100)
            for run_id in (ends, goes_on):
                await grid.until(run_id, RunStatus.RUNNING)
            worker.send_signal(signal.SIGTERM)
            await grid.event("worker.leaving", worker)
            draining = await http.get("/health/ready")
        late = await grid.submit(0)
        drained = await grid.event("worker.drained", worker)
        code = await worker.wait()
        ended, left = await grid.backend.run_store.get(ends), await grid.backend.run_store.get(late)
        depth = await grid.backend.task_queue.depth()

    assert (before.status_code, draining.status_code) == (200, 503)
    assert b"nanogrid_in_flight 0.0" in metrics.content
    assert (drained["reason"], drained["given_back"], code) == ("signal", 1, 0)
    assert (ended.status, ended.attempt, left.status) == (RunStatus.SUCCEEDED, 1, RunStatus.QUEUED)
    assert (depth.visible, depth.in_flight) == (2, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"NANOGRID_QEUE_URL": "x"}, "unknown setting NANOGRID_QEUE_URL"),
        ({"NANOGRID_QUEUE_URL": ""}, "NANOGRID_QUEUE_URL is not set"),
        ({"NANOGRID_HEALTH_PORT": "many"}, "healthPort"),
    ],
)
def test_a_wrong_or_missing_setting_is_said_before_anything_starts(tmp_path, change, said):
    environ = {
        **own_environment(tmp_path),
        "NANOGRID_CODE_BUCKET": "code",
        "NANOGRID_QUEUE_URL": "http://127.0.0.1:9/tasks",
        "NANOGRID_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/dead",
        "NANOGRID_REDIS_URL": "redis://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "nanogrid", "worker", "--sandbox", "process"]
    done = subprocess.run(command, env=environ | change, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "data").exists()
