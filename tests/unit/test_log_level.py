"""A line's level is what the line itself says, and nothing is guessed."""

import pytest

from nanogrid.api.log_level import level_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("[INFO]\t2026-01-01T00:00:00.000Z\trun_1\tstarted", "info"),  # Lambda's handler in Python
        ("[ERROR] no such order", "error"),
        ("WARNING:root:disk nearly full", "warning"),  # Python's logging without a handler
        ("ERROR: no such order", "error"),
        ("FATAL\tgoing down", "critical"),
        ("[WARN] deprecated", "warning"),
        ('{"time": 1, "level": "Error", "msg": "no"}', "error"),
        ('{"severity":"NOTICE","message":"hello"}', "info"),
    ],
)
def test_a_line_that_names_its_level_has_it(text, level):
    assert level_of(text) == level


@pytest.mark.parametrize(
    "text",
    [
        "",
        "greeting Ada",
        "ERRORS are rare",
        "Error handling is on",
        "no ERROR: here",
        '{"error": "level"}',
        '{"level": 30}',
        "the level: ERROR",
    ],
)
def test_a_line_that_does_not_has_none(text):
    assert level_of(text) is None
