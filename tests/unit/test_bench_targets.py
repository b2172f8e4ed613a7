"""The table of aims: each is a row that a workload really gives, and a missed one is said to be missed."""

import pytest
from instrument.bench import Scale
from instrument.rows import Limit, Row
from instrument.targets import TARGETS, reached


def row(workload, title, figure, value, limit=None):
    about = limit and Limit(figure=figure, value=limit, source="the first")
    return Row(workload=workload, title=title, placement="free", figures={figure: value}, limit=about)


# what is measured; what stands in the table
@pytest.mark.parametrize(
    ("measured", "cell"),
    [
        (row("W1", "no-op, 1 client", "p50_us", 199, 90), "| **199 us** | 90 us | 2.21 |"),
        (row("W1", "no-op, 1 client", "p50_us", 201, 90), "| 201 us (missed) | 90 us | 2.23 |"),
        (row("W1", "no-op, 32 clients", "rate", 12_500, 25_000), "| **12,500/s** | 25,000/s | 2.00 |"),
        (row("W6", "100 first runs at once", "rate", 299), "| 299/s (missed) |  |  |"),
        (row("W11", "no-op after 1,000,000 runs", "p50_us", 230, 210), "| **230 us** | 210 us | 1.10 |"),
        (row("W11", "no-op after 1,000,000 runs", "p50_us", 300, 210), "| 300 us (missed) | 210 us | 1.43 |"),
    ],
)
def test_a_target_is_reached_or_said_to_be_missed(measured, cell):
    assert cell in reached([measured], sandbox="bubblewrap")


def test_a_target_without_a_measurement_has_an_empty_cell():
    assert reached([], sandbox="docker").count("|  |  |  |  |\n") == 2


def test_the_sizes_that_the_targets_name_are_those_that_are_measured():
    scale = Scale()
    titles = {target.title for target in TARGETS}

    assert f"{scale.cold} first runs at once" in titles
    assert f"{scale.runs:,} asynchronous runs, drained" in titles
    assert f"{scale.warm} warm functions" in titles
    assert f"sleep 100 ms, {scale.sleepers[-1]} clients" in titles
    assert f"no-op beside {scale.functions[1]:,} functions" in titles
    assert f"no-op after {scale.history[1]:,} runs" in titles
