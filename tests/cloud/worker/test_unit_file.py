"""The systemd unit fits what the worker promises; nothing here starts it."""

import os
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from nanogrid import config
from nanogrid.cloud.worker.departure import SCALE_IN_GRACE_S, SPOT_GRACE_S
from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.model import MAX_TIMEOUT_MS
from stack_template import properties

UNIT = resources.files("nanogrid.cloud.worker") / "nanogrid-worker.service"


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def unit_config() -> config.Config:
    environment = dict(value.split("=", 1) for value in values("Environment"))
    return config.load(environment, {}, elsewhere=InstanceSettings.variables())


def test_systemd_waits_longer_than_a_stop_takes():
    (timeout_s,) = values("TimeoutStopSec")

    # Giving back what is not done, and ending sandboxes, comes after the grace.
    assert float(timeout_s) >= unit_config().grace_s + 20


def test_a_scale_in_has_time_for_the_longest_run_and_a_spot_notice_does_not_outlast_its_instance():
    hook = properties("WorkerDrainHook")

    assert hook["LifecycleHookName"] == InstanceSettings().lifecycle_hook
    assert SCALE_IN_GRACE_S >= MAX_TIMEOUT_MS / 1000
    # However often a worker asks for more time, AWS gives a hundred times the hook's.
    assert 100 * hook["HeartbeatTimeout"] >= MAX_TIMEOUT_MS / 1000
    assert SPOT_GRACE_S <= 110


def test_a_worker_that_has_drained_is_not_started_again_and_one_that_failed_is():
    assert values("Restart") == ["on-failure"]
    assert values("StartLimitIntervalSec") == ["0"]


def test_systemd_is_told_when_it_starts_and_only_the_worker_ends_sandboxes():
    assert values("Type") == ["notify"]
    assert values("KillMode") == ["mixed"]


def test_its_sandboxes_lie_where_the_engine_sees_them():
    assert values("PrivateTmp") == []
    assert "/var/tmp" in values("ReadWritePaths")[0].split()  # noqa: S108 - what open_workspace chooses
    assert str(unit_config().data) == f"/var/lib/{values('StateDirectory')[0]}"


def test_systemd_understands_every_line(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None and not os.environ.get("CI"):
        pytest.skip("there is no systemd-analyze")
    assert analyze is not None
    # Where it is not installed, only what starts it is missing.
    text = UNIT.read_text().replace("/opt/nanogrid/bin/nanogrid", "/bin/true").replace("Requires=docker.service\n", "")
    unit = tmp_path / "nanogrid-worker.service"
    unit.write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", str(unit)], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "nanogrid-worker.service" in line]

    assert complaints == []
