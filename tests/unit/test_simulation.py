"""The model of queue, alarms and group agrees with what is known of queues, and loses nothing."""

import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import scale
from simulation import loads, picture, rehearsed
from simulation.grid import Simulation, World
from simulation.policies import Sight, by_steps, keeping_up, one_by_one, stay, within

from nanogrid.cloud.rehearsal.report import Burst, Flow, Report, Sample
from nanogrid.cloud.rehearsal.report import Plan as RehearsalPlan
from stack_template import properties


def story(world: World, policy, rate, *, most: float, until_s: float):
    coming, taking = random.Random(7), random.Random(8)  # noqa: S311 - chance, no secret
    arrivals = list(loads.arrivals(rate, most=most, until_s=until_s, chance=coming))
    service = loads.service(world.service_s, chance=taking)
    return len(arrivals), Simulation(world, policy, iter(arrivals), service).run()


def test_one_slot_waits_as_long_as_the_theory_of_queues_says():
    world = World(slots=1, service_s=1.0, most=1)
    count, told = story(world, stay, loads.steady(0.5), most=0.5, until_s=200_000)

    # M/M/1 at half load: the mean wait is one service time.
    assert len(told.waits) == count
    assert sum(told.waits) / count == pytest.approx(1.0, rel=0.05)


def test_every_arrival_is_run_under_every_policy_and_the_group_shrinks_again():
    for policy in (one_by_one(), by_steps(), within(60), keeping_up(60)):
        count, told = story(World(), policy, loads.pulse(1, 300, at_s=60, for_s=120), most=300, until_s=600)

        assert len(told.waits) == count
        assert max(moment.workers for moment in told.moments) <= 5
        assert told.moments[-1].workers <= 2


def test_the_alarms_of_the_stack_go_from_one_to_five_and_back():
    _, told = story(World(), one_by_one(), loads.pulse(1, 500, at_s=60, for_s=300), most=500, until_s=900)
    workers = [moment.workers for moment in told.moments]

    assert (workers[0], max(workers)) == (1, 5)
    assert max(abs(later - earlier) for earlier, later in pairwise(workers)) == 1


@pytest.mark.parametrize(
    ("visible", "empty_looks", "wanted"),
    # None waits but not for long, none for as long as the alarm looks, too few to matter, the alarm's threshold.
    [(0, 4, 3), (0, 5, 2), (0, 6, 2), (9, 0, 3), (10, 0, 4)],
)
def test_one_by_one_does_what_the_two_alarms_do(visible, empty_looks, wanted):
    assert one_by_one()(Sight(visible, 0, 0.0, 3, 50.0, empty_looks)) == wanted


def test_the_simulated_alarms_are_those_of_the_stack():
    backlog, idle = properties("BacklogAlarm"), properties("IdleAlarm")
    looks, threshold = idle["EvaluationPeriods"], backlog["Threshold"]
    alarms_of_the_stack = one_by_one()

    assert (backlog["EvaluationPeriods"], backlog["Period"], idle["Period"]) == (1, World.period_s, World.period_s)
    assert alarms_of_the_stack(Sight(threshold, 0, 0.0, 3, 50.0)) == 4
    assert alarms_of_the_stack(Sight(threshold - 1, 0, 0.0, 3, 50.0)) == 3
    assert alarms_of_the_stack(Sight(0, 0, 0.0, 3, 50.0, looks)) == 2
    assert alarms_of_the_stack(Sight(0, 0, 0.0, 3, 50.0, looks - 1)) == 3


def test_the_same_seed_tells_the_same_story():
    one, other = (story(World(), one_by_one(), loads.steady(60), most=60, until_s=300)[1] for _ in range(2))

    assert one == other


def test_the_picture_has_a_strip_for_each_story():
    _, told = story(World(), one_by_one(), loads.steady(60), most=60, until_s=300)
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


def samples(*rows: tuple[float, int, int, int]) -> list[Sample]:
    """So many tasks of 500 wait and are at work at that second, with so many workers; all came at once."""
    return [
        Sample(at_s=at_s, submitted=500, visible=visible, in_flight=in_flight, workers=workers, draining=0)
        for at_s, visible, in_flight, workers in rows
    ]


def report(seen: list[Sample]) -> Report:
    burst = Burst(
        submitted=500,
        succeeded=500,
        lost=0,
        duplicated=0,
        tried_again=0,
        cut_off=0,
        killed_workers=1,
        redis_restarts=1,
        took_s=90,
    )
    nothing = Flow(hops=[], whole_ms=0, empty_call_ms=0, times=0)
    return Report(
        plan=RehearsalPlan(),
        sandbox="bubblewrap",
        took_s=90,
        burst=burst,
        samples=seen,
        moments=[],
        run=nothing,
        deploy=nothing,
        faults=[],
    )


def test_a_rehearsal_says_how_long_its_runs_took():
    # 100 ended in 10 s while 20 were at work: two seconds each, of which the task slept 0.3.
    seen = report(samples((0, 400, 20, 5), (10, 300, 20, 5), (90, 0, 0, 5)))

    assert rehearsed.beyond_s(seen) == pytest.approx(1.7)


def test_what_a_killed_worker_had_leased_is_not_at_work():
    seen = report(samples((0, 400, 24, 5), (10, 300, 24, 5), (90, 0, 0, 5)))

    assert rehearsed.beyond_s(seen) == pytest.approx(1.7)


def test_a_rehearsal_says_how_long_a_worker_boots():
    seen = samples((0, 400, 4, 1), (2, 380, 4, 2), (5, 360, 8, 2), (6, 350, 8, 3), (8, 340, 8, 3), (9, 330, 12, 3))

    assert rehearsed.boot_s(seen) == 3.0


def test_a_simulated_rehearsal_ends_every_task_and_fills_the_group():
    rows = [(0.0, 0, 0, 1), (1.0, 490, 4, 1), (3.0, 480, 4, 2), (5.0, 470, 8, 2), (60.0, 10, 8, 5), (70.0, 0, 0, 5)]
    seen = samples(*rows)
    told = rehearsed.play(report([msgspec.structs.replace(seen[0], submitted=0), *seen[1:]]))

    assert len(told.waits) == 500
    assert rehearsed.told(told).most_waiting <= 500
    assert max(moment.workers for moment in told.moments) == 5
