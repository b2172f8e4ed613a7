"""The latest log lines, out of the records of runs that come newest first; and what runs recommend."""

from datetime import UTC, datetime

import pytest

from nanogrid.api.log_lines import recent_lines
from nanogrid.model import Logs, Run, RunStatus, Usage
from nanogrid.sizing import recommend

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(text: str = "", *, status: RunStatus = RunStatus.SUCCEEDED, **usage: float) -> Run:
    return Run(
        run_id=f"run_{text[:1]}",
        function_id="fn_1",
        function_name="hello",
        version=1,
        status=status,
        logs=Logs(text=text),
        usage=Usage(**usage),
        created_at=NOW,
        started_at=NOW if status is not RunStatus.QUEUED else None,
    )


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (10, ["a1", "a2", "", "b1", "b2"]),
        (5, ["a1", "a2", "", "b1", "b2"]),
        (4, ["a2", "", "b1", "b2"]),  # the older run is cut at its beginning
        (2, ["b1", "b2"]),
        (1, ["b2"]),
    ],
)
def test_the_last_lines_come_oldest_first(limit, expected):
    newest_first = [run("b1\nb2\n"), run(""), run("a1\na2\n\n")]

    assert [line.text for line in recent_lines(newest_first, limit)] == expected


def test_a_last_line_without_an_end_is_a_line_and_other_separators_are_text():
    assert [line.text for line in recent_lines([run("a\u2028b\nlast")], 10)] == ["a\u2028b", "last"]


def test_a_line_has_the_level_that_it_names():
    lines = recent_lines([run("WARNING: low\nplain\n")], 10)

    assert [line.level for line in lines] == ["warning", None]


def test_nothing_is_recommended_before_a_run_has_ended():
    assert recommend([]) == (None, None)
    assert recommend([run(status=RunStatus.QUEUED)]) == (None, None)


@pytest.mark.parametrize(
    ("peak", "duration", "expected"),
    [
        (10.0, 3.0, (128, 1000)),  # never below the least
        (1000.0, 2500.0, (1312, 8000)),
        (9999.0, 1e9, (10_240, 12 * 3_600_000)),  # never above the most
    ],
)
def test_a_recommendation_has_room_and_keeps_to_the_limits(peak, duration, expected):
    assert recommend([run(peak_memory_mb=peak, duration_ms=duration)]) == expected


def test_one_outlier_in_a_hundred_does_not_decide():
    ordinary = [run(peak_memory_mb=100.0, duration_ms=10.0)] * 99

    assert recommend([*ordinary, run(peak_memory_mb=9000.0, duration_ms=1e6)]) == (144, 1000)
