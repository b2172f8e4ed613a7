"""Schedules as people meet them: the API with its keys and quotas, the SDK, the commands, and a clock to turn."""

import contextlib
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from clocks import ManualClock
from gateway_harness import HELLO, serving
from nanogrid.aliases import Aliases
from nanogrid.backends.local import open_local
from nanogrid.backends.local.backup import back_up, restore
from nanogrid.cli.durations import in_words
from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app
from nanogrid.errors import InvalidField, NameTaken, ScheduleNotFound, TooLarge
from nanogrid.quotas import Quotas
from nanogrid.schedule import Fire, FireOutcome
from nanogrid.scheduler import ScheduleChange, Scheduler, Schedules, Shelf
from nanogrid.scheduler.policy import KEPT, recorded
from records import some_function, some_run

DAILY = {"function": "hello", "expression": "0 7 * * *", "timezone": "Europe/Berlin"}


def code(answer):
    return answer.json()["code"]


# The API


async def test_a_schedule_is_made_read_changed_and_deleted():
    async with serving(idle=True) as (_, client):
        made = await client.post("/schedules", json=DAILY | {"input": {"to": "ada"}})
        read = await client.get("/schedules/hello")
        listed = (await client.get("/schedules")).json()["items"]
        changed = await client.put("/schedules/hello", json={"expression": "every 2 hours", "missed": "skip"})
        deleted = await client.delete("/schedules/hello")
        gone = await client.get("/schedules/hello")

    assert (made.status_code, made.headers["location"]) == (201, "/schedules/hello")
    schedule = made.json()
    assert schedule == read.json()
    assert (schedule["description"], schedule["input"], schedule["enabled"]) == (
        "At 07:00 every day",
        {"to": "ada"},
        True,
    )
    assert (schedule["missed"], schedule["overlap"], schedule["fires"], schedule["last"]) == ("once", "allow", [], None)
    assert schedule["next"][0] == schedule["nextAt"]
    assert len(schedule["next"]) == 5
    assert listed == [{k: v for k, v in schedule.items() if k not in ("next", "fires")}]
    # What was not named stays.
    assert (changed.json()["description"], changed.json()["missed"]) == ("Every 2 hours", "skip")
    assert changed.json()["input"] == {"to": "ada"}
    assert (deleted.status_code, code(gone)) == (204, "schedule_not_found")


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        ({"expression": "0 25 * * *"}, 422, "$.expression"),
        ({"expression": "x" * 201}, 422, "$.expression"),
        ({"timezone": "Berlin"}, 422, "$.timezone"),
        ({"name": "a/b"}, 422, "$.name"),
        ({"name": "fn_" + "0" * 26}, 422, "$.name"),
        ({"missed": "never"}, 422, "$.missed"),
        ({"overlap": "wait"}, 422, "$.overlap"),
        ({"cron": "0 7 * * *"}, 422, "$.cron"),
        ({"function": "nobody"}, 404, "function_not_found"),
        ({"function": "hello:nobody"}, 404, "function_not_found"),
        ({"function": "hello:9"}, 404, "function_not_found"),
        ({"function": "../hello"}, 404, "function_not_found"),
        ({"input": "x" * 70_000}, 413, "too_large"),
    ],
)
async def test_what_cannot_be_scheduled_is_refused_and_leaves_nothing(change, status, expected):
    async with serving(idle=True) as (grid, client):
        refused = await client.post("/schedules", json=DAILY | change)
        left = (await client.get("/schedules")).json()["items"]
        entries = [entry async for entry in grid.schedules._shelf.agenda.entries()]

    assert refused.status_code == status, refused.text
    told = refused.json()
    assert expected in (told["code"], *(field["path"] for field in told.get("errors", [])))
    assert left == entries == []


async def test_a_name_that_is_taken_is_a_409_that_says_how_to_go_on():
    async with serving(idle=True) as (_, client):
        await client.post("/schedules", json=DAILY)
        second = await client.post("/schedules", json=DAILY)
        other = await client.post("/schedules", json=DAILY | {"name": "evening"})

    assert (second.status_code, code(second)) == (409, "name_taken")
    assert "PUT /schedules/hello" in second.json()["detail"]
    assert other.status_code == 201


async def test_an_alias_or_a_version_can_be_scheduled():
    async with serving(idle=True) as (_, client):
        await client.put("/functions/hello/aliases/live", json={"version": 1})
        made = await client.post("/schedules", json=DAILY | {"function": "hello:live"})
        function_id = (await client.get("/functions/hello")).json()["functionId"]
        by_id = await client.put("/schedules/hello", json={"function": f"{function_id}:1"})

    assert (made.json()["function"], made.json()["functionId"]) == ("hello:live", function_id)
    assert by_id.json()["function"] == "hello:1"


async def key(client, **fields):
    made = await client.post("/keys", json={"name": "k", "scopes": ["run"]} | fields)
    return {"Authorization": f"Bearer {made.json()['token']}"}


async def test_a_key_for_some_functions_schedules_these_and_sees_nothing_of_others():
    async with serving(idle=True) as (_, client):
        await client.post("/functions", json=HELLO | {"name": "other"})
        await client.post("/schedules", json=DAILY)
        await client.post("/schedules", json=DAILY | {"function": "other"})
        limited = await key(client, functions=["other"])
        answers = {
            "own": await client.get("/schedules/other", headers=limited),
            "foreign": await client.get("/schedules/hello", headers=limited),
            "made": await client.post("/schedules", json=DAILY | {"name": "mine"}, headers=limited),
            "taken over": await client.put("/schedules/other", json={"function": "hello"}, headers=limited),
            "paused": await client.put("/schedules/hello", json={"enabled": False}, headers=limited),
            "deleted": await client.delete("/schedules/hello", headers=limited),
        }
        listed = (await client.get("/schedules", headers=limited)).json()["items"]
        own = await client.put("/schedules/other", json={"enabled": False}, headers=limited)

    assert {what: answer.status_code for what, answer in answers.items()} == {
        "own": 200,
        "foreign": 403,
        "made": 403,
        "taken over": 403,
        "paused": 403,
        "deleted": 403,
    }
    assert [schedule["name"] for schedule in listed] == ["other"]
    assert own.status_code == 200


async def test_tenants_have_schedules_of_their_own_under_the_same_names():
    async with serving(idle=True) as (_, client):
        acme = await key(client, scopes=["admin"], tenant="acme")
        await client.post("/functions", json=HELLO, headers=acme)
        for headers in ({}, acme):
            assert (await client.post("/schedules", json=DAILY, headers=headers)).status_code == 201
        await client.delete("/schedules/hello", headers=acme)
        left = await client.get("/schedules/hello")

    assert left.status_code == 200


async def test_a_quota_limits_how_many_schedules_a_tenant_has_and_how_often_they_fire():
    async with serving(idle=True) as (_, client):
        quota = await client.put("/quota?tenant=acme", json={"schedules": 1, "scheduleIntervalMs": 900_000})
        acme = await key(client, scopes=["admin"], tenant="acme")
        await client.post("/functions", json=HELLO, headers=acme)
        dense = await client.post("/schedules", json=DAILY | {"expression": "*/10 * * * *"}, headers=acme)
        first = await client.post("/schedules", json=DAILY | {"expression": "*/15 * * * *"}, headers=acme)
        denser = await client.put("/schedules/hello", json={"expression": "every 14 minutes"}, headers=acme)
        second = await client.post("/schedules", json=DAILY | {"name": "two"}, headers=acme)
        usage = (await client.get("/quota", headers=acme)).json()["usage"]

    assert quota.json()["quota"]["schedules"] == 1
    assert [code(answer) for answer in (dense, denser, second)] == ["quota_reached"] * 3
    assert first.status_code == 201
    assert usage["schedules"] == 1


async def test_schedules_are_listed_by_function_and_page_by_page():
    async with serving(idle=True) as (_, client):
        await client.post("/functions", json=HELLO | {"name": "other"})
        for name in ("c", "a", "b"):
            await client.post("/schedules", json=DAILY | {"name": name})
        await client.post("/schedules", json=DAILY | {"function": "other"})
        first = (await client.get("/schedules?limit=3")).json()
        second = (await client.get(f"/schedules?limit=3&cursor={first['nextCursor']}")).json()
        of_other = (await client.get("/schedules?functionId=other")).json()["items"]

    assert [schedule["name"] for schedule in first["items"] + second["items"]] == ["a", "b", "c", "other"]
    assert [schedule["name"] for schedule in of_other] == ["other"]


async def test_a_deleted_function_takes_its_schedules_with_it():
    async with serving(idle=True) as (_, client):
        await client.post("/schedules", json=DAILY)
        await client.delete("/functions/hello")
        left = (await client.get("/schedules")).json()["items"]

    assert left == []


# What is kept of the past


def test_what_goes_on_as_it_was_is_one_entry_and_old_entries_go():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    started = [Fire(due_at=at, at=at, outcome=FireOutcome.STARTED, run_id=f"run_{n}") for n in range(30)]
    skipped = Fire(due_at=at, at=at, outcome=FireOutcome.OVERLAPPED, reason="run_1 had not ended")
    other = Fire(due_at=at, at=at, outcome=FireOutcome.OVERLAPPED, reason="run_2 had not ended")
    kept = []
    for fire in [*started, skipped, skipped, other, other, skipped]:
        kept = recorded(kept, fire)

    assert len(kept) == KEPT
    assert [(fire.reason, fire.count) for fire in kept[:3]] == [
        (skipped.reason, 1),
        (other.reason, 2),
        (skipped.reason, 2),
    ]
    assert kept[3].run_id == "run_29"


# A grid whose clock is turned


def test_a_schedule_fires_exactly_when_it_is_due_by_the_grids_clock(nanogrid_grid):
    seen = []
    nanogrid_grid.add(lambda event, _context: seen.append((event, nanogrid_grid.clock.now())), name="report")
    nanogrid_grid.add_schedule("report", "0 7 * * *", timezone="Europe/Berlin")

    nanogrid_grid.advance(6 * 3600 - 1)
    before = list(seen)
    nanogrid_grid.advance(86_400)

    due = [datetime(2026, 1, day, 6, tzinfo=UTC) for day in (1, 2)]
    assert before == []
    assert [at for _, at in seen] == due[:1]
    assert seen[0][0] == {"schedule": "report", "dueAt": "2026-01-01T06:00:00Z"}
    nanogrid_grid.advance(1)
    assert [at for _, at in seen] == due


def test_a_run_says_which_schedule_made_it_and_the_schedule_how_it_went(nanogrid_grid):
    def fails_first(event, _context):
        if event == {"n": 1}:
            raise ValueError(event)

    nanogrid_grid.add(fails_first)
    nanogrid_grid.add_schedule("fails_first", "every 10 minutes", name="often", input={"n": 1})
    nanogrid_grid.advance(600)
    nanogrid_grid.change_schedule("often", input=None)
    nanogrid_grid.advance(600)
    schedule = nanogrid_grid.schedule("often")
    (listed,) = nanogrid_grid.schedules("fails_first")
    runs = [nanogrid_grid.get_run(fire.run_id) for fire in schedule.fires]

    assert [run.status for run in runs] == [fire.status for fire in schedule.fires] == ["succeeded", "failed"]
    assert [run.input for run in runs] == [None, {"n": 1}]
    assert {(run.trigger.schedule, run.mode) for run in runs} == {("often", "async")}
    assert runs[0].trigger.due_at == schedule.fires[0].due_at == datetime(2026, 1, 1, 0, 20, tzinfo=UTC)
    assert listed.last == schedule.last == schedule.fires[0]
    assert listed.fires is None
    assert nanogrid_grid.invoke("fails_first").trigger is None


def test_a_failed_run_is_retried_as_its_function_says_and_is_one_fire(nanogrid_grid):
    tries = []

    def flaky(_event, context):
        tries.append(context.attempt)
        if context.attempt < 3:
            raise ConnectionError

    nanogrid_grid.add(flaky, retries=2)
    nanogrid_grid.add_schedule("flaky", "every hour")
    nanogrid_grid.advance(3600 + 600)

    assert tries == [1, 2, 3]
    assert [fire.status for fire in nanogrid_grid.schedule("flaky").fires] == ["succeeded"]


def test_what_is_queued_begins_at_the_moment_when_the_run_before_ends(nanogrid_grid):
    began = []
    import time  # noqa: PLC0415 - the grid's own, for as long as it is open

    def slow(_event, _context):
        began.append((nanogrid_grid.clock.now() - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds() / 60)
        time.sleep(25 * 60)

    nanogrid_grid.add(slow, timeout_ms=3_600_000)
    nanogrid_grid.add_schedule("slow", "every 10 minutes", overlap="queue")
    nanogrid_grid.advance(45 * 60)
    nanogrid_grid.pause_schedule("slow")
    nanogrid_grid.advance(3 * 3600)

    # What waited when it was paused is not run any more.
    assert began == [10, 35]


def test_a_paused_schedule_is_silent_until_it_is_resumed(nanogrid_grid):
    seen = []
    nanogrid_grid.add(lambda event, _context: seen.append(event["dueAt"]), name="tick")
    nanogrid_grid.add_schedule("tick", "0 * * * *", enabled=False)
    nanogrid_grid.advance(3600)
    nanogrid_grid.resume_schedule("tick")
    nanogrid_grid.advance(3600)
    paused = nanogrid_grid.pause_schedule("tick")
    nanogrid_grid.advance(7200)

    assert seen == ["2026-01-01T02:00:00Z"]
    assert (paused.enabled, paused.next_at) == (False, None)


def test_errors_of_schedules_are_the_trees_own(nanogrid_grid):
    nanogrid_grid.add(lambda *_: None, name="nothing")
    nanogrid_grid.add_schedule("nothing", "@daily")
    with pytest.raises(NameTaken):
        nanogrid_grid.add_schedule("nothing", "@daily")
    with pytest.raises(ScheduleNotFound):
        nanogrid_grid.change_schedule("nobody", enabled=False)
    with pytest.raises(ScheduleNotFound):
        nanogrid_grid.delete_schedule("nobody")
    with pytest.raises(InvalidField, match=r"Did you mean Europe/Berlin\?") as refused:
        nanogrid_grid.change_schedule("nothing", timezone="Berlin")
    with pytest.raises(TooLarge):
        nanogrid_grid.change_schedule("nothing", input="x" * 70_000)

    assert refused.value.path == "$.timezone"


def test_fires_are_counted_by_what_came_of_them(nanogrid_grid):
    nanogrid_grid.add(lambda *_: None, name="tick")
    nanogrid_grid.add_schedule("tick", "every minute")
    nanogrid_grid.advance(180)
    channel = nanogrid_grid._inner._channel
    text = nanogrid_grid._thread.wait(channel.request("GET", "/metrics")).text

    assert 'nanogrid_schedule_fires_total{outcome="started"} 3.0' in text
    assert 'nanogrid_schedule_delay_seconds_bucket{le="0.001"} 3.0' in text


# Backups


async def test_a_restored_grid_has_the_schedules_and_makes_up_for_what_it_missed(tmp_path):
    data, clock = tmp_path / "data", ManualClock()
    async with open_local(data, clock) as backend:
        await backend.registry.create(some_function(code_sha256=await backend.code_store.put(b"hello")))
        made = await schedules_of(backend, clock).create(
            None, ScheduleChange(function="hello", expression="@hourly"), tenant="default"
        )
    await back_up(data, tmp_path / "backup.tar")
    await restore(tmp_path / "backup.tar", tmp_path / "restored")
    await clock.advance(5 * 3600 + 1800)
    async with open_local(tmp_path / "restored", clock) as backend:
        restored = await schedules_of(backend, clock).get("hello", tenant="default")
        fired = []
        await scheduler_of(backend, clock, fired).serve()
        after = await schedules_of(backend, clock).get("hello", tenant="default")

    assert restored == made
    assert [due.hour for due in fired] == [5]
    assert after.next_at == datetime(2026, 1, 1, 6, tzinfo=UTC)


def schedules_of(backend, clock):
    quotas = Quotas(backend.record_store, backend.registry, clock)
    resolve = Aliases(backend.record_store, backend.registry, clock).resolve
    shelf = Shelf(backend.record_store, clock)
    return Schedules(shelf, backend.run_store, clock, resolve=resolve, check_room=quotas.check_schedule)


def scheduler_of(backend, clock, fired):
    async def run(_reference, _input, *, trigger, **_options):
        fired.append(trigger.due_at)
        return some_run()

    shelf = Shelf(backend.record_store, clock)
    return Scheduler(shelf, backend.run_store, run, clock, on_fire=lambda *_: None, on_failure=pytest.fail)


# The commands


def call(grid, *arguments):
    app = make_app(environ={}, connect=lambda _: contextlib.nullcontext(grid))
    return CliRunner().invoke(app, ["schedule", *arguments])


def test_the_commands_make_show_change_pause_and_delete(nanogrid_grid):
    nanogrid_grid.add(lambda *_: None, name="report")
    made = call(nanogrid_grid, "add", "report", "0 7 * * MON-FRI", "-z", "Europe/Berlin", "-i", '{"to": "ada"}')
    nanogrid_grid.advance(86_400)
    listed = call(nanogrid_grid, "list")
    shown = call(nanogrid_grid, "show", "report")
    changed = call(nanogrid_grid, "set", "report", "--when", "every 2 hours", "--overlap", "skip", "--json")
    paused = call(nanogrid_grid, "pause", "report")
    resumed = call(nanogrid_grid, "resume", "report")
    removed = call(nanogrid_grid, "rm", "report")
    absent = call(nanogrid_grid, "show", "report")

    assert made.stdout.splitlines()[0] == "Made report: at 07:00 on Monday through Friday, Europe/Berlin"
    assert "next Thu 2026-01-01 07:00 CET" in made.stdout
    assert "succeeded" in listed.stdout.splitlines()[1]
    assert "0 7 * * MON-FRI (at 07:00 on Monday through Friday)" in shown.stdout
    assert "Fri 2026-01-02 07:00 CET" in shown.stdout
    assert "run_" in shown.stdout
    assert (json.loads(changed.stdout)["overlap"], json.loads(changed.stdout)["input"]) == ("skip", {"to": "ada"})
    assert paused.stdout == "Paused report: every 2 hours, Europe/Berlin\n"
    assert resumed.stdout.startswith("Resumed report: every 2 hours, Europe/Berlin\n  next ")
    assert removed.stdout == "Deleted report.\n"
    assert absent.exit_code == ExitCode.NOT_FOUND


def test_a_refused_expression_says_which_field_and_what_to_write(nanogrid_grid):
    nanogrid_grid.add(lambda *_: None, name="report")
    done = call(nanogrid_grid, "add", "report", "0 25 * * *")

    assert done.exit_code == ExitCode.REFUSED
    assert "the hour of '0 25 * * *' is impossible" in done.stderr
    assert "'every 5 minutes'" in done.stderr


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 s"),
        (59_000, "59 s"),
        (60_000, "1 min"),
        (90_000, "90 s"),
        (5_400_000, "90 min"),
        (7_200_000, "2 h"),
        (90_000_000, "25 h"),
        (86_400_000, "1 d"),
        (259_200_000, "3 d"),
    ],
)
def test_a_time_to_come_is_told_in_a_unit_that_is_not_too_coarse(ms, words):
    assert in_words(ms) == words
