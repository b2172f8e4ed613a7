"""The judge sees each kind of broken promise, and holds what is allowed for nothing."""

import hashlib
from collections import Counter

import pytest

from chaos.history import History, judge
from chaos.schedule import Replay, drawn, read, write


def ended(token, **changes):
    output = {"token": token, "digest": hashlib.sha256(token.encode()).hexdigest()}
    record = {"runId": f"run-{token}", "functionName": "steady", "mode": "async", "status": "succeeded"}
    record |= {"output": output, "error": None, "attempt": 1, "endedAt": "now", "input": {"token": token}}
    return record | changes


def history(*tokens):
    """Each asked for once, and promised."""
    return History(asked=Counter(tokens), promised={f"run-{token}": token for token in tokens})


def verdict(past, *records, executions=()):
    return judge(past, {record["runId"]: record for record in records}, Counter(executions))


def test_what_was_promised_and_ended_rightly_holds():
    assert verdict(history("a", "b"), ended("a"), ended("b"), executions="ab").holds


def test_a_promised_run_that_the_grid_does_not_know_is_lost():
    assert verdict(history("a", "b"), ended("a")).lost == ["run-b"]


def test_a_promised_run_that_has_not_ended_is_lost_and_unfinished():
    found = verdict(history("a"), ended("a", status="running"))

    assert (found.lost, found.unfinished) == (["run-a"], ["run-a"])


def test_a_run_that_nobody_asked_for_is_unexpected():
    assert verdict(history(), ended("a")).unexpected == ["a"]


def test_a_run_of_a_refused_request_is_unexpected():
    past = history()
    past.asked["a"] = past.refused["a"] = 1

    assert verdict(past, ended("a")).unexpected == ["a"]


def test_two_runs_for_one_key_are_one_too_many():
    past = history("a")
    past.asked["a"] = 5
    past.keyed.add("a")

    assert verdict(past, ended("a"), ended("a", runId="run-2")).unexpected == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        {"output": {"token": "a", "digest": "other"}},
        {"output": None, "status": "dead", "error": {"kind": "platform", "message": "", "type": ""}},
        {"output": None, "status": "failed", "error": {"kind": "exited", "message": "", "type": ""}},
        # the function fails where it should not
        {"output": None, "status": "failed", "error": {"kind": "exception", "message": "a", "type": ""}},
        # and does not where it should
        {"functionName": "flawed"},
    ],
)
def test_another_outcome_than_the_oracle_s_is_wrong(change):
    assert verdict(history("a"), ended("a", **change)).wrong == ["run-a"]


def test_a_record_that_is_no_more_what_it_was_when_it_was_told_is_changed():
    past = history("a")
    past.tell(ended("a", attempt=1))

    assert verdict(past, ended("a", attempt=2)).changed == ["run-a"]


def test_an_execution_too_many_is_counted_and_allowed():
    found = verdict(history("a"), ended("a"), executions="aa")

    assert (found.duplicated, found.executions, found.holds) == (["a"], 2, True)


def test_a_run_whose_acceptance_nobody_heard_of_is_recovered_and_allowed():
    past = history()
    past.asked["a"] = 1
    found = verdict(past, ended("a"))

    assert (found.recovered, found.holds) == (["run-a"], True)


def test_the_same_seed_draws_the_same_faults_and_a_replay_plays_them_again(tmp_path):
    kinds = ["kill-server", "cut-network"]
    faults = [fault for fault, _ in zip(drawn(7, kinds), range(10), strict=False)]
    replay = Replay(backend="local", sandbox="process", seed=7, tasks=10, kinds=kinds, faults=faults)
    write(tmp_path / "failures" / "seed-7.json", replay)

    assert read(tmp_path / "failures" / "seed-7.json") == replay
    assert faults == [fault for fault, _ in zip(drawn(7, kinds), range(10), strict=False)]
    assert {fault.kind for fault in faults[:2]} == set(kinds)
