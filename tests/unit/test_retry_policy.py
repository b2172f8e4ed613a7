"""When a failed asynchronous run is tried again: as often, as late and as long as its function says."""

from datetime import timedelta

import pytest

from nanogrid.model import Mode
from nanogrid.worker.retry_policy import next_pause_s
from records import SOME_TIME, some_function, some_task


def pause(chance=1.0, *, retried=0, age_s=0.0, mode=Mode.ASYNC, **settings):
    now = SOME_TIME + timedelta(seconds=age_s)
    return next_pause_s(some_task(mode=mode), some_function(**settings), retried, now, chance)


def test_pauses_double_up_to_five_minutes():
    assert [pause(retried=n, retries=10) for n in range(10)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]


def test_a_pause_is_any_part_of_its_full_length():
    assert [pause(chance, retried=3, retries=10) for chance in (0.0, 0.25, 1.0)] == [0.0, 2.0, 8.0]


@pytest.mark.parametrize(
    "case",
    [
        # without a policy there is no other try
        {"retries": 0},
        # as often as it says, and no more
        {"retries": 3, "retried": 3},
        # who waits for an answer is given it
        {"retries": 3, "mode": Mode.SYNC},
        # the next try would come when the run is too old
        {"retries": 3, "age_s": 9.5, "max_age_ms": 10_000},
    ],
)
def test_otherwise_the_failure_stands(case):
    assert pause(**case) is None


def test_a_run_that_is_young_enough_at_its_next_try_is_tried():
    assert pause(0.1, age_s=9.5, retries=3, max_age_ms=10_000) == pytest.approx(0.1)
