"""The model of queue, alarms and group agrees with what is known of queues, and loses nothing."""

import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import scale
import simulate
from simulation import loads, picture
from simulation.grid import Simulation, World
from simulation.policies import Sight, by_steps, keeping_up, one_by_one, stay, within

from nanogrid.cloud.rehearsal.report import Plan, Sample


def story(world: World, policy, rate, *, most: float, until_s: float):
    coming, service = random.Random(7), random.Random(8)  # noqa: S311 - chance, no secret
    arrivals = list(loads.arrivals(rate, most=most, until_s=until_s, chance=coming))
    return len(arrivals), Simulation(world, policy, iter(arrivals), service).run()


def test_one_slot_waits_as_long_as_the_theory_of_queues_says():
    world = World(slots=1, service_s=1.0, most=1)
    count, told = story(world, stay, loads.steady(0.5), most=0.5, until_s=200_000)

    # M/M/1 at half load: the mean wait is one service time.
    assert len(told.waits) == count
    assert sum(told.waits) / count == pytest.approx(1.0, rel=0.05)


def test_every_arrival_is_run_under_every_policy_and_the_group_shrinks_again():
    for policy in (one_by_one, by_steps, within(60), keeping_up(60)):
        count, told = story(World(), policy, loads.pulse(1, 300, at_s=60, for_s=120), most=300, until_s=600)

        assert len(told.waits) == count
        assert max(moment.workers for moment in told.moments) <= 5
        assert told.moments[-1].workers <= 2


def test_the_alarms_of_the_stack_go_from_one_to_five_and_back():
    _, told = story(World(), one_by_one, loads.pulse(1, 500, at_s=60, for_s=300), most=500, until_s=900)
    workers = [moment.workers for moment in told.moments]

    assert (workers[0], max(workers)) == (1, 5)
    assert max(abs(later - earlier) for earlier, later in pairwise(workers)) == 1


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [(0, 2), (9, 3), (10, 4)],  # none waits, too few to matter, the alarm's threshold
)
def test_one_by_one_does_what_the_two_alarms_do(visible, wanted):
    assert one_by_one(Sight(visible, 0, 0.0, 3, 50.0)) == wanted


def test_the_same_seed_tells_the_same_story():
    one, other = (story(World(), one_by_one, loads.steady(60), most=60, until_s=300)[1] for _ in range(2))

    assert one == other


def test_the_picture_has_a_strip_for_each_story():
    _, told = story(World(), one_by_one, loads.steady(60), most=60, until_s=300)
    drawn = picture.draw({"a & b": told, "c": told}, "title")

    assert drawn.count("<polygon") == 2
    assert "a &amp; b" in drawn


def test_the_page_on_scale_is_what_the_arithmetic_says():
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()

    assert scale.table() in page


def test_each_limit_bends_where_its_share_of_a_run_says():
    bends = {limit.name.split(",")[0]: round(limit.rate) for limit in scale.LIMITS}

    assert bends["Lambda"] == 6667
    assert bends["DynamoDB"] == 2667
    assert scale.bends(1) == "nothing"


def test_a_rehearsal_says_how_long_its_runs_took(tmp_path):
    # 100 ended in 10 s while 20 were at work: two seconds each.
    samples = [
        Sample(at_s=at_s, submitted=500, visible=visible, in_flight=20, workers=5, draining=0)
        for at_s, visible in ((0.0, 400), (10.0, 300), (90.0, 0))
    ]
    report = tmp_path / "rehearsal.json"
    report.write_bytes(msgspec.json.encode({"plan": Plan(slots=4), "samples": samples}))

    world = simulate.calibrated(World(), report)

    assert (world.slots, world.service_s) == (4, 2.0)
