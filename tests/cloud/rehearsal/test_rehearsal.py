"""The rehearsal itself, once: the shipped template on an emulated AWS, a real Redis, real workers, real sandboxes.

What each test asserts is read from the report that one rehearsal wrote. It takes about a minute and a half.
"""

import asyncio
import os
import shutil

import msgspec
import pytest
from rich.console import Console

from nanogrid.cli.rehearsal_screen import watching
from nanogrid.cloud.rehearsal.rehearsal import rehearse
from nanogrid.cloud.rehearsal.report import Plan, Report


@pytest.mark.timeout(420)
def test_nothing_is_lost_workers_go_from_one_to_five_and_back_and_scale_in_cuts_nothing_off(tmp_path):
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("there is no redis-server")
    # What it prints is shown where the test fails.
    with watching(Console(width=120, force_terminal=False), 500) as watcher:
        seen = asyncio.run(rehearse(Plan(), watcher, tmp_path))
    report = msgspec.json.decode(msgspec.json.encode(seen), type=Report)
    burst, samples = report.burst, report.samples

    assert report.faults == []
    assert (burst.submitted, burst.succeeded, burst.lost, burst.duplicated, burst.cut_off) == (500, 500, 0, 0, 0)
    assert (burst.killed_workers, burst.redis_restarts) == (1, 1)
    assert (samples[0].workers, max(sample.workers for sample in samples), samples[-1].workers) == (1, 5, 1)
    assert [hop.name for hop in report.run.hops][2:-2] == [
        *("look up", "accept", "send", "receive", "claim", "sandbox", "store", "publish", "wake"),
    ]
    assert all(hop.ms >= 0 for flow in (report.run, report.deploy) for hop in flow.hops)
