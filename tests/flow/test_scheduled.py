"""Schedules on a started grid: what was due while nobody was there, and what a kill in between leaves."""

import asyncio
from datetime import UTC, datetime, timedelta

from grid import started_grid
from nanogrid.backends.local import open_local
from nanogrid.schedule import Missed
from nanogrid.scheduler import ScheduleChange, Schedules, Shelf
from nanogrid.testing.clock import ManualClock

SOURCE = "def handler(event, context):\n    return event\n"
AGO = timedelta(hours=3)


class EarlierClock(ManualClock):
    """Stands some hours ago."""

    def __init__(self) -> None:
        super().__init__()
        self._now = datetime.now(UTC) - AGO


async def no_quota(*_args, **_options) -> None:
    """Anything goes."""


async def schedule_earlier(data, *changes):
    """Make schedules of `hello` as if that had been done some hours ago."""
    async with open_local(data, clock := EarlierClock()) as backend:

        async def resolve(reference, tenant):
            return await backend.registry.get(reference, tenant=tenant)

        shelf = Shelf(backend.record_store, clock)
        schedules = Schedules(shelf, backend.run_store, clock, resolve=resolve, check_room=no_quota)
        for change in changes:
            await schedules.create(change.missed, change, tenant="default")


async def fired(client, name, count):
    """The schedule when that much has come of its due times."""
    while len((schedule := await client.schedule(name)).fires) < count:  # noqa: ASYNC110 - facts of another process
        await asyncio.sleep(0.02)
    return schedule


async def test_what_was_due_while_no_grid_was_there_is_made_up_for_once_whatever_is_killed_then():
    changes = [ScheduleChange(function="hello", expression="every 50 minutes", missed=missed) for missed in Missed]
    async with started_grid("--sandbox", "process") as grid:
        async with grid.client as client:
            await client.deploy(SOURCE, name="hello")
        await grid.stop()
        await schedule_earlier(grid.data, *changes)
        await grid.start()
        async with grid.client as client:
            once = await fired(client, "once", 1)
            run = await client.wait(once.fires[0].run_id, timeout=60)
        await grid.kill()
        await grid.start()
        async with grid.client as client:
            schedules = {
                name: await fired(client, name, count) for name, count in (("all", 3), ("once", 1), ("skip", 1))
            }
            runs = [run async for run in client.runs()]

    due = schedules["all"].next_at
    assert run.status == "succeeded"
    assert sorted(run.trigger.schedule for run in runs) == ["all", "all", "all", "once"]
    assert {fire.due_at for fire in schedules["all"].fires} == {due - n * timedelta(minutes=50) for n in (1, 2, 3)}
    assert schedules["once"].fires[0].due_at == due - timedelta(minutes=50)
    assert [(fire.outcome, fire.count) for fire in schedules["skip"].fires] == [("missed", 3)]
