"""Every way in which a run can go wrong ends in the same typed answer on every driver, and harms nobody."""

import pytest
from endings import ENDINGS, TEXT, Ending, end


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.what)
def test_a_run_that_goes_wrong_has_a_typed_and_bounded_end(attacked, ending: Ending):
    ended = end(attacked, ending)

    assert ended.faults(ending) == []
    assert attacked.damage() == []


def test_text_of_the_whole_world_comes_back_as_it_went_in(attacked):
    ended = end(attacked, next(ending for ending in ENDINGS if "world" in ending.what))

    assert ended.run["output"] == TEXT
    assert ended.run["logs"]["text"] == TEXT + "\n"


def test_a_flood_of_output_is_cut_and_says_so(attacked):
    ended = end(attacked, next(ending for ending in ENDINGS if "200 MB" in ending.what))

    assert ended.run["logs"]["truncated"] is True
