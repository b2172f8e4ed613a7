"""The regression guard: says no to a run that has become dearer, and to nothing else."""

import shutil
from pathlib import Path

import guard
from guard import STORED, Allowed, Cost

import nanogrid

#: What is put into the copy: as if somebody had made every run 400 us dearer.
SLOW = """
def _slower(call):
    async def run(*args, **kwargs):
        end = time.thread_time() + 400e-6
        while time.thread_time() < end:
            pass
        return await call(*args, **kwargs)
    return run

import time
Dispatcher.run = _slower(Dispatcher.run)
"""


def slowed_copy(folder):
    package = shutil.copytree(Path(nanogrid.__file__).parent, folder / "nanogrid")
    with (package / "dispatcher.py").open("a") as file:
        file.write(SLOW)
    return folder


async def test_a_run_that_takes_400_us_more_is_refused(tmp_path):
    before = await guard.measure(rounds=6)

    slower = await guard.measure(rounds=6, source=slowed_copy(tmp_path))

    assert Allowed(ratio=before.ratio).permits(before)
    assert not Allowed(ratio=before.ratio).permits(slower)


def test_what_is_allowed_is_a_multiple_of_what_was_stored():
    allowed = Allowed(ratio=8.0, margin=1.5)

    assert allowed.permits(Cost(grid_us=480, minimal_us=40))
    assert not allowed.permits(Cost(grid_us=481, minimal_us=40))


def test_a_machine_twice_as_slow_changes_nothing():
    allowed = Allowed(ratio=8.0)

    assert allowed.permits(Cost(grid_us=2 * 320, minimal_us=2 * 40))


def test_the_stored_ratio_can_be_read():
    assert guard.stored(STORED).ratio > 1
