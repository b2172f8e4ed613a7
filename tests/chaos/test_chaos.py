"""A short form of `make chaos`: every kind of fault once or twice while runs go on, and no promise is broken."""

import os
import shutil

import pytest

from chaos.aws import aws_system
from chaos.campaign import Size, campaign
from chaos.local import local_system
from chaos.schedule import drawn

GAP_S = (0.1, 0.4)
#: Two campaigns, so that two cores can share them.
CRASHES = ["kill-server", "freeze-server", "kill-sandbox", "copy-database", "stop-server"]
SURROUNDINGS = ["cut-network", "slow-network", "half-open-network", "freeze-sandbox", "jump-clock", "fill-disk"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kinds", [CRASHES, SURROUNDINGS], ids=["crashes", "surroundings"])
async def test_no_fault_loses_doubles_or_changes_a_run(kinds):
    if os.geteuid() != 0:
        kinds = [kind for kind in kinds if kind != "fill-disk"]  # only root can mount a small disk
    lines = []
    async with local_system("process", kinds=set(kinds)) as system:
        kinds = [kind for kind in kinds if kind in system.harms()]
        fought = await campaign(system, Size(tasks=40, faults=len(kinds)), 1, drawn(1, kinds, GAP_S), lines.append)

    assert fought.verdict.holds, "\n".join([*lines, *fought.verdict.lines()])
    assert fought.verdict.ended >= 40


@pytest.mark.timeout(240)
async def test_no_fault_loses_doubles_or_changes_a_run_on_aws():
    needed("redis-server")
    kinds, lines = (
        ["kill-worker", "freeze-worker", "restart-redis", "half-open-redis", "throttle-sqs", "double-sqs"],
        [],
    )
    async with aws_system("process") as system:
        fought = await campaign(system, Size(tasks=40, faults=len(kinds)), 1, drawn(1, kinds, GAP_S), lines.append)

    assert fought.verdict.holds, "\n".join([*lines, *fought.verdict.lines()])
    assert fought.verdict.ended >= 40


def needed(program):
    """A service that is missing skips on a laptop and fails in CI."""
    if shutil.which(program) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed")
