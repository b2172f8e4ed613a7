"""A short form of the row `leaks`: crashes leave nothing behind."""

import pytest

from chaos.leaks import growth


@pytest.mark.timeout(180)
async def test_runs_and_crashes_leave_no_thread_descriptor_process_mount_file_or_group():
    found = await growth(300)

    # Memory tells only over many runs.
    assert (found.holes, found.cgroups) == ([], 0)
    assert found.threads <= 2
    assert found.descriptors <= 5
