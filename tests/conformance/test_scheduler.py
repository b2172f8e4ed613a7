"""Schedules mean the same on every backend: what is due becomes one run, whoever looks and whatever breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Raw

from nanogrid.aliases import Aliases
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import BacklogFull, FunctionNotFound, ScheduleNotFound, StoreUnavailable
from nanogrid.quotas import Quotas
from nanogrid.schedule import FireOutcome, Missed, Overlap
from nanogrid.scheduler import ScheduleChange, Scheduler, Schedules, Shelf
from nanogrid.scheduler.scheduler import RunFunction
from records import SUCCEEDED, some_function

MINUTE = timedelta(minutes=1)
HELLO = some_function()
START = datetime(2026, 1, 1, tzinfo=UTC)


class Rig:
    """A scheduler on a backend, and all that it needs."""

    def __init__(self, backend, clock) -> None:
        self.backend, self.clock = backend, clock
        self.quotas = Quotas(backend.record_store, backend.registry, clock)
        self.shelf = Shelf(backend.record_store, clock)
        aliases = Aliases(backend.record_store, backend.registry, clock)
        self.dispatcher = Dispatcher(
            backend.registry,
            backend.run_store,
            backend.task_queue,
            backend.dead_letters,
            backend.result_bus,
            clock,
            max_wait_s=30.0,
            resolve=aliases.resolve,
        )
        self.schedules = Schedules(
            self.shelf, backend.run_store, clock, resolve=aliases.resolve, check_room=self.quotas.check_schedule
        )
        self.failures: list[Exception] = []
        self.scheduler = self.another(self.dispatcher.run)

    def another(self, run: RunFunction) -> Scheduler:
        """One more scheduler on the same backend."""
        return Scheduler(
            self.shelf,
            self.backend.run_store,
            run,
            self.clock,
            on_fire=lambda *_: None,
            on_failure=self.failures.append,
        )

    async def add(self, expression: str, name: str | None = None, **fields):
        change = ScheduleChange(function=fields.pop("function", "hello"), expression=expression, **fields)
        return await self.schedules.create(name, change, tenant="default")

    async def runs(self):
        """For which due times runs were made, oldest first."""
        page = await self.backend.run_store.list_runs(limit=200)
        return [run.trigger.due_at for run in reversed(page.items)]

    async def fires(self, name: str = "hello"):
        """What came of due times, oldest first."""
        schedule = await self.schedules.get(name, tenant="default")
        return [(fire.due_at, fire.outcome.value, fire.count) for fire in reversed(schedule.fires)]

    async def end_all(self) -> None:
        """Whatever is under way ends."""
        page = await self.backend.run_store.list_runs(limit=200)
        for run in page.items:
            if not run.status.ended:
                await self.backend.run_store.finish(run.run_id, 1, SUCCEEDED)


@asynccontextmanager
async def rigged(bench) -> AsyncIterator[Rig]:
    async with bench.open() as backend:
        rig = Rig(backend, bench.clock)
        await backend.registry.create(HELLO)
        yield rig


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


async def test_what_is_due_becomes_a_run_and_nothing_else_does(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes")
        await rig.add("0 7 * * *", "later")
        before = await rig.scheduler.serve()
        await bench.pass_time(300)
        after = await rig.scheduler.serve()
        again = await rig.scheduler.serve()
        (run,) = (await rig.backend.run_store.list_runs(limit=10)).items
        (lease,) = await rig.backend.task_queue.receive(limit=10, wait_s=20)
        input_ = bytes((await rig.backend.run_store.get(run.run_id)).input)

    assert (before.next_at, after.next_at, again.next_at) == (at(5), at(10), at(10))
    assert (run.trigger.schedule, run.trigger.due_at, run.mode) == ("hello", at(5), "async")
    assert lease.task.run_id == run.run_id
    assert input_ == b'{"schedule":"hello","dueAt":"2026-01-01T00:05:00Z"}'


async def test_a_schedule_survives_a_crash_and_fires_afterwards(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes", input=Raw(b'{"kept": true}'))
        after = bench.crashed()
    await after.pass_time(300)
    async with after.open() as backend:
        rig = Rig(backend, after.clock)
        await rig.scheduler.serve()
        (run,) = (await backend.run_store.list_runs(limit=10)).items
        input_ = bytes((await backend.run_store.get(run.run_id)).input)

    assert run.trigger.due_at == at(5)
    assert input_ == b'{"kept": true}'


async def test_any_number_of_schedulers_that_look_at_once_make_one_run(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes")
        await bench.pass_time(300)
        served = await asyncio.gather(*(rig.another(rig.dispatcher.run).serve() for _ in range(5)))
        last = await rig.scheduler.serve()

        assert await rig.runs() == [at(5)]
        assert await rig.fires() == [(at(5), "started", 1)]
    assert last.next_at == at(10)
    assert rig.failures == []
    assert at(10) in {one.next_at for one in served}


async def test_a_crash_between_the_run_and_its_record_makes_no_second_run(bench):
    class Crash(BaseException):
        pass

    async with rigged(bench) as rig:
        await rig.add("every 5 minutes")
        await bench.pass_time(300)

        async def run_and_crash(*args, **options):
            await rig.dispatcher.run(*args, **options)
            raise Crash

        with pytest.raises(Crash):
            await rig.another(run_and_crash).serve()
        made = await rig.runs()
        await bench.pass_time(30)
        await rig.scheduler.serve()

        assert made == await rig.runs() == [at(5)]
        assert await rig.fires() == [(at(5), "started", 1)]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), BacklogFull("full", retry_after_s=1)])
async def test_a_run_that_cannot_be_made_now_is_made_soon_and_holds_up_no_other(bench, error):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes", "first")
        await rig.add("every 5 minutes", "second")
        await bench.pass_time(300)

        async def refuse_the_first(*args, **options):
            if options["trigger"].schedule == "first":
                raise error
            return await rig.dispatcher.run(*args, **options)

        served = await rig.another(refuse_the_first).serve()
        refused = await rig.fires("first"), await rig.fires("second")
        await bench.pass_time(5)
        await rig.scheduler.serve()

        assert served.next_at == at(5) + timedelta(seconds=5)
        assert refused == ([], [(at(5), "started", 1)])
        assert await rig.fires("first") == [(at(5), "started", 1)]
        assert rig.failures == [error]


@pytest.mark.parametrize(
    ("missed", "made", "said"),
    [
        # None was there at 10:00 to 50:00; 60:00 has just been.
        (Missed.SKIP, [60], [("missed", 5), ("started", 1)]),
        (Missed.ONCE, [60], [("missed", 5), ("started", 1)]),
        (Missed.ALL, [10, 20, 30, 40, 50, 60], [("started", 1)] * 6),
    ],
)
async def test_due_times_that_nobody_dealt_with_are_made_up_for_as_the_schedule_says(bench, missed, made, said):
    async with rigged(bench) as rig:
        await rig.add("every 10 minutes", missed=missed)
        await bench.pass_time(3601)
        await rig.scheduler.serve()

        assert await rig.runs() == [at(minutes) for minutes in made]
        assert [fire[1:] for fire in await rig.fires()] == said


@pytest.mark.parametrize(("missed", "made"), [(Missed.SKIP, []), (Missed.ONCE, [60]), (Missed.ALL, [30, 60])])
async def test_what_is_late_by_more_than_two_minutes_was_missed(bench, missed, made):
    async with rigged(bench) as rig:
        await rig.add("every 30 minutes", missed=missed)
        await bench.pass_time(3600 + 121)
        served = await rig.scheduler.serve()

        assert await rig.runs() == [at(minutes) for minutes in made]
    assert served.next_at == at(90)


async def test_of_very_many_missed_due_times_the_latest_hundred_are_made_up_for(bench):
    async with rigged(bench) as rig:
        await rig.add("* * * * *", missed=Missed.ALL)
        await bench.pass_time(3 * 86_400)
        await rig.scheduler.serve()
        made = await rig.runs()

    # Made sixteen and more at once? No: one after the other, oldest first.
    assert made == [at(3 * 1440 - 99 + number) for number in range(100)]


@pytest.mark.parametrize(
    ("overlap", "made", "said"),
    [
        (Overlap.ALLOW, [5, 10, 15], [("started", 1)] * 3),
        (Overlap.SKIP, [5], [("started", 1), ("overlapped", 2)]),
        (Overlap.QUEUE, [5], [("started", 1)]),
    ],
)
async def test_while_the_run_before_is_under_way(bench, overlap, made, said):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes", overlap=overlap)
        for _ in range(3):
            await bench.pass_time(300)
            await rig.scheduler.serve()

        assert await rig.runs() == [at(minutes) for minutes in made]
        assert [fire[1:] for fire in await rig.fires()] == said


async def test_what_is_queued_runs_one_after_the_other_each_when_the_one_before_has_ended(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes", overlap=Overlap.QUEUE)
        for _ in range(3):
            await bench.pass_time(300)
            served = await rig.scheduler.serve()
        (first,) = (await rig.backend.run_store.list_runs(limit=10)).items
        waiting = (await rig.schedules.get("hello", tenant="default")).waiting
        made = []
        for _ in range(3):
            await rig.end_all()
            await rig.scheduler.serve()
            made.append(await rig.runs())

        assert served.awaited == {("default", first.run_id)}
        assert waiting == [at(10), at(15)]
        assert made == [[at(5), at(10)], [at(5), at(10), at(15)], [at(5), at(10), at(15)]]
        assert [fire[1:] for fire in await rig.fires()] == [("started", 1)] * 3


async def test_a_paused_schedule_does_not_fire_and_makes_up_for_nothing(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes", missed=Missed.ALL)
        paused = await rig.schedules.change("hello", ScheduleChange(enabled=False), tenant="default")
        await bench.pass_time(1800)
        idle = await rig.scheduler.serve()
        resumed = await rig.schedules.change("hello", ScheduleChange(enabled=True), tenant="default")
        await bench.pass_time(300)
        await rig.scheduler.serve()

        assert await rig.runs() == [at(35)]
    assert (paused.next_at, paused.next, idle.next_at) == (None, [], None)
    assert resumed.next_at == at(35)


async def test_a_change_holds_from_its_moment_on_and_what_is_not_given_stays(bench):
    async with rigged(bench) as rig:
        await rig.add("0 7 * * *", input=Raw(b"1"), overlap=Overlap.SKIP)
        zoned = await rig.schedules.change("hello", ScheduleChange(timezone="Asia/Seoul"), tenant="default")
        await bench.pass_time(90)
        every = await rig.schedules.change("hello", ScheduleChange(expression="every 2 minutes"), tenant="default")
        await bench.pass_time(150)
        await rig.scheduler.serve()

        assert await rig.runs() == [at(3)]
    assert zoned.next_at == datetime(2026, 1, 1, 22, tzinfo=UTC)
    assert (every.next_at, every.overlap, bytes(every.input), every.timezone) == (at(3), "skip", b"1", "Asia/Seoul")


async def test_a_deleted_schedule_is_gone_and_another_of_its_name_is_another(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes")
        await bench.pass_time(300)
        await rig.schedules.delete("hello", tenant="default")
        idle = await rig.scheduler.serve()
        with pytest.raises(ScheduleNotFound):
            await rig.schedules.get("hello", tenant="default")
        await rig.add("every 5 minutes")
        await bench.pass_time(300)
        await rig.scheduler.serve()

        assert await rig.runs() == [at(10)]
    assert idle.next_at is None


async def test_another_function_of_the_same_name_is_never_run_in_place_of_a_deleted_one(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes")
        await rig.backend.registry.delete(HELLO.function_id)
        await rig.backend.registry.create(some_function(code_sha256="1" * 64))
        await bench.pass_time(300)
        await rig.scheduler.serve()
        await bench.pass_time(300)
        await rig.scheduler.serve()
        (fire,) = (await rig.schedules.get("hello", tenant="default")).fires

        assert await rig.runs() == []
        assert (fire.outcome, fire.count, fire.due_at) == (FireOutcome.REFUSED, 2, at(10))
        assert "no function" in fire.reason
        with pytest.raises(FunctionNotFound):
            await rig.add("every 5 minutes", "other", function="nobody")


async def test_the_schedules_of_a_function_go_with_it_and_no_others_do(bench):
    async with rigged(bench) as rig:
        await rig.backend.registry.create(some_function("other"))
        for name in ("one", "two"):
            await rig.add("@daily", name)
        await rig.add("@daily", "three", function="other")
        await rig.schedules.forget_all(HELLO)
        left = await rig.schedules.list_schedules(tenant="default", limit=10, cursor=None)
        await bench.pass_time(86_400)
        await rig.scheduler.serve()

        assert len(await rig.runs()) == 1
    assert [schedule.name for schedule in left.items] == ["three"]


async def test_an_entry_that_no_schedule_names_means_nothing_and_goes_after_a_while(bench):
    async with rigged(bench) as rig:
        await rig.shelf.agenda.add(at(1), "default", "nobody", now=at(0))
        await bench.pass_time(120)
        served = await rig.scheduler.serve()
        kept = [entry.schedule async for entry in rig.shelf.agenda.entries()]
        await bench.pass_time(3600)
        await rig.scheduler.serve()
        left = [entry.schedule async for entry in rig.shelf.agenda.entries()]

    assert served.next_at is None
    assert (kept, left) == (["nobody"], [])


async def test_a_schedule_that_this_program_cannot_read_is_paused_and_stops_no_other(bench):
    async with rigged(bench) as rig:
        await rig.add("every 5 minutes", "broken")
        await rig.add("every 5 minutes", "sound")
        seen = await rig.shelf.get("default", "broken")
        await rig.shelf.put(_with_zone(seen.schedule, "Mars/Olympus"), seen)
        await bench.pass_time(300)
        await rig.scheduler.serve()
        broken = (await rig.shelf.get("default", "broken")).schedule

        assert await rig.runs() == [at(5)]
    assert (broken.enabled, broken.next_at) == (False, None)
    assert broken.fires[0].reason.startswith("paused: there is no time zone 'Mars/Olympus'")


def _with_zone(schedule, zone):
    from msgspec import structs  # noqa: PLC0415 - nowhere else

    return structs.replace(schedule, timezone=zone)


async def test_many_due_at_once_fire_and_each_once(bench):
    async with rigged(bench) as rig:
        for number in range(40):
            await rig.add("every 5 minutes", f"s{number:02}")
        await bench.pass_time(300)
        served = await rig.scheduler.serve()
        page = await rig.backend.run_store.list_runs(limit=200)

    assert sorted(run.trigger.schedule for run in page.items) == [f"s{number:02}" for number in range(40)]
    assert served.next_at == at(10)


async def test_a_scheduler_that_is_out_of_time_leaves_the_rest_to_the_next_one(bench):
    async with rigged(bench) as rig:
        for number in range(20):
            await rig.add("every 5 minutes", f"s{number:02}")
        await bench.pass_time(300)

        async def slow(*args, **options):
            await bench.pass_time(1)
            return await rig.dispatcher.run(*args, **options)

        await rig.another(slow).serve(within_s=0.5)
        first = len(await rig.runs())
        await rig.scheduler.serve()

        assert (first, len(await rig.runs())) == (16, 20)
