"""What is made of measurements: medians, ratios, tables, the chart."""

from xml.etree import ElementTree as ET

import pytest
from instrument import processes
from instrument.chart import draw
from instrument.ratios import ratio
from instrument.report import microseconds, table, write_between
from instrument.rows import Limit, Row, over_rounds
from instrument.standings import Standing, against, peer_headings, peer_row
from rich.console import Console


def row(p50=200.0, limit=100.0, **fields):
    given = {"workload": "W1", "title": "no-op, 1 client", "placement": "free"} | fields
    about = Limit(figure="p50_us", value=limit, source="minimal platform")
    return Row(figures={"p50_us": p50, "p99_us": 2 * p50, "p999_us": 3 * p50, "rate": 1e6 / p50}, limit=about, **given)


def test_rounds_become_medians_with_their_spread():
    merged = over_rounds([row(100), row(900), row(300)])

    assert len(merged) == 1
    assert merged[0].figures["p50_us"] == 300
    assert merged[0].spread == (100, 900)
    assert merged[0].rounds == 3


def test_cells_of_different_places_are_not_mixed():
    merged = over_rounds([row(placement="free"), row(placement="pinned"), row(placement="free")])

    assert [(one.placement, one.rounds) for one in merged] == [("free", 2), ("pinned", 1)]


def test_a_wrong_answer_of_one_round_is_still_there_after_the_merge():
    merged = over_rounds([row(), row(wrong=2, first_wrong="500 oh"), row()])

    assert (merged[0].wrong, merged[0].first_wrong) == (2, "500 oh")


def test_times_the_limit_is_above_one_for_slow_and_for_few():
    few = Row(
        workload="W3",
        title="few",
        placement="free",
        figures={"rate": 50},
        limit=Limit(figure="rate", value=200, source="processors"),
    )

    assert row(200, limit=100).times_the_limit == 2
    assert few.times_the_limit == 4


def test_the_table_has_every_row_beside_its_limit():
    console = Console(width=200)

    with console.capture() as capture:
        console.print(table([row(464), row(1_500, title="slow")]))

    assert "464 us" in capture.get()
    assert "1.5 ms" in capture.get()
    assert "p50 100 us (minimal platform)" in capture.get()


# microseconds, as a person reads them
@pytest.mark.parametrize(("value", "shown"), [(7.4, "7 us"), (999, "999 us"), (53_210, "53.2 ms"), (2e6, "2 s")])
def test_durations_are_short(value, shown):
    assert microseconds(value) == shown


def test_the_chart_is_well_formed_and_has_a_line_for_each_row():
    drawn = ET.fromstring(draw([row(), row(title="a < b & c", p50=90_000)], "Runs & limits"))  # noqa: S314 - our own

    labels = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "W1  no-op, 1 client" in labels
    assert "W1  a < b & c" in labels


def test_a_page_is_changed_between_its_marks_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")

    write_between(page, "bench", "new\n")

    assert page.read_text() == "before\n<!-- bench -->\nnew\n<!-- /bench -->\nafter\n"


def test_a_page_without_the_marks_is_refused_and_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")

    with pytest.raises(ValueError, match="bench"):
        write_between(page, "bench", "new\n")

    assert page.read_text() == "nothing here\n"


def test_a_ratio_is_a_geometric_mean_inside_its_interval():
    found = ratio([20, 80], [10, 10])

    assert found.mean == pytest.approx(4)
    assert found.low == pytest.approx(2)
    assert found.high == pytest.approx(8)


def test_a_peer_that_is_ahead_stays_in_and_is_seen_to_be_ahead():
    ours = Standing(name="NanoGrid", isolation="namespaces", figures={"p50_us": [200, 200], "rate_1": [100, 100]})
    faster = Standing(name="fast", isolation="none", figures={"p50_us": [100, 100], "rate_1": [400, 400]})

    shown = peer_row(ours, faster, [1])

    assert "0.50 [0.50, 0.50]" in shown
    assert "0.25 [0.25, 0.25]" in shown
    assert shown[2] == "none"
    assert len(shown) == len(peer_headings([1]))


def test_rounds_that_do_not_pair_give_no_ratio():
    ours = Standing(name="NanoGrid", isolation="namespaces", figures={"p50_us": [1, 2, 3]})
    failed_once = Standing(name="fails", isolation="none", figures={"p50_us": [1, 2]})

    assert against(ours, failed_once, "p50_us", smaller_is_better=True) == ""


def test_what_a_child_used_counts_as_below_while_it_lives_and_afterwards():
    used = processes.Used(2, 3) - processes.Used(1, 1)

    assert used == processes.Used(1, 2)
    assert used.total == 3
