"""What happens when somebody dies between two steps: whoever comes next finishes what was begun."""

import asyncio
import shutil

import pytest
from msgspec import Raw

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.errors import DeadLetterNotFound, RunEnded, StoreUnavailable
from nanogrid.model import MAX_PLATFORM_FAILURES, ErrorKind, Mode, Outcome, RunError, RunStatus
from nanogrid.ports import Invocation, Reply
from records import DEAD, SUCCEEDED, some_function, some_run, some_task
from working import next_lease, workplace


class Counting:
    """A handler that knows how often it was run."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, _: Invocation) -> Reply:
        self.runs += 1
        return Reply(output=Raw(b'"done"'))


class Stubborn:
    """A handler that does not end before it is let go."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.done = asyncio.Event()

    async def __call__(self, call: Invocation) -> Reply:
        self.calls.append(call.attempt)
        await self.done.wait()
        return Reply(output=Raw(b'"done"'))


async def hopeless(place):
    """The lease of a run that the platform has failed at five times."""
    run = await place.submit()
    lease = await next_lease(place)
    for _ in range(MAX_PLATFORM_FAILURES):
        await place.backend.task_queue.release(lease, failed=True)
        lease = await next_lease(place)
    await place.backend.run_store.finish(run.run_id, lease.attempt, DEAD)
    return run, lease


async def letters_in_time(place):
    """Whose letters there are, as soon as there is one."""
    while not (page := await place.backend.dead_letters.list_letters(limit=10)).items:
        await place.clock.advance(1)
    return [letter.run_id for letter in page.items]


# Between the death of a run and its letter


async def test_a_run_that_was_declared_dead_gets_its_letter_from_the_next_worker():
    async with workplace(Counting()) as place:
        run, _ = await hopeless(place)
        await place.clock.advance(31)
        async with place.at_work():
            buried = await letters_in_time(place)
        found = await place.backend.run_store.get(run.run_id)

    assert (found.status, buried) == (RunStatus.DEAD, [run.run_id])


async def test_a_dead_run_whose_task_was_lost_gets_its_letter_at_the_next_start(tmp_path):
    run = some_run()
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.registry.create(some_function(function_id=run.function_id))
        await backend.run_store.accept(run, durable=False)
        await backend.run_store.finish(run.run_id, 5, DEAD)
        await backend.run_store.persist(run.run_id)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        (letter,) = (await backend.dead_letters.list_letters(limit=10)).items
        await backend.dead_letters.redrive(run.run_id)
        (lease,) = await backend.task_queue.receive(limit=10, wait_s=0)

    assert (letter.run_id, letter.reason) == (run.run_id, "gone")
    assert lease.task.input == run.input


# Between the task and the run of a redrive


async def test_a_dead_run_without_a_letter_stays_as_it_is_when_it_is_redriven():
    async with workplace(Counting()) as place:
        run, _ = await hopeless(place)
        with pytest.raises(DeadLetterNotFound):
            await place.dispatcher.redrive(run.run_id)

        assert (await place.backend.run_store.get(run.run_id)).status is RunStatus.DEAD


async def test_a_run_that_is_not_dead_cannot_be_redriven():
    async with workplace(Counting()) as place:
        run = await place.submit()

        with pytest.raises(RunEnded):
            await place.dispatcher.redrive(run.run_id)


async def test_a_worker_that_is_faster_than_the_reopening_tries_again():
    async with workplace(Counting()) as place:
        run, lease = await hopeless(place)
        await place.backend.dead_letters.bury(lease, "broken")
        await place.backend.dead_letters.redrive(run.run_id)
        async with place.at_work():
            await place.clock.advance(0.01)
            await place.backend.run_store.reopen(run.run_id)
            ended = await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert bytes(ended.output) == b'"done"'


async def test_a_redrive_that_stopped_halfway_ends_among_the_dead_letters_again():
    async with workplace(Counting()) as place:
        run, lease = await hopeless(place)
        await place.backend.dead_letters.bury(lease, "broken")
        await place.backend.dead_letters.redrive(run.run_id)
        async with place.at_work():
            buried = await letters_in_time(place)
        again = await place.dispatcher.redrive(run.run_id)

    assert buried == [run.run_id]
    assert again.status is RunStatus.QUEUED


# Between storing and telling


async def test_an_outcome_that_was_stored_but_not_told_is_told_by_the_next_worker():
    handler = Counting()
    async with workplace(handler) as place:
        run = await place.submit()
        waiting = asyncio.create_task(place.dispatcher.get(run.run_id, wait_s=600))
        lease = await next_lease(place)
        await place.backend.run_store.finish(run.run_id, lease.attempt, SUCCEEDED)
        async with place.at_work():
            await place.clock.advance(31)
            told = await waiting

    assert (told.status, handler.runs) == (RunStatus.SUCCEEDED, 0)


async def test_an_outcome_is_kept_while_the_store_is_away():
    handler = Counting()
    async with workplace(handler) as place:
        finish, refusals = place.backend.run_store.finish, iter(range(3))

        async def finish_later(*args):
            if next(refusals, None) is not None:
                raise StoreUnavailable("the disk is full")
            return await finish(*args)

        place.backend.run_store.finish = finish_later
        async with place.at_work():
            run = await place.submit()
            ended = await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert (ended.attempt, handler.runs) == (1, 1)


def gone(place, seconds):
    """The registry answers nobody for so long; how often it was asked meanwhile."""
    get, back_at, asked = place.backend.registry.get, place.clock.monotonic() + seconds, []

    async def get_later(*args, **options):
        if place.clock.monotonic() < back_at:
            asked.append(place.clock.monotonic())
            raise StoreUnavailable("no answer")
        return await get(*args, **options)

    place.backend.registry.get = get_later
    return asked


async def test_a_store_that_is_away_for_half_an_hour_buries_no_run():
    handler = Counting()
    async with workplace(handler) as place:
        run = await place.submit()
        asked = gone(place, 1800)
        async with place.at_work():
            ended = await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert (ended.status, handler.runs) == (RunStatus.SUCCEEDED, 1)
    assert 5 < len(asked) < 40


async def test_what_no_store_ever_gives_is_a_dead_letter_in_the_end():
    async with workplace(Counting()) as place:
        run = await place.submit()
        gone(place, 365 * 24 * 3600)
        began = place.clock.monotonic()
        async with place.at_work():
            while (await place.backend.run_store.get(run.run_id)).status is not RunStatus.DEAD:
                await place.clock.advance(60)
                await asyncio.sleep(0.001)
            (letter,) = await place.letters()

    assert 3600 < place.clock.monotonic() - began < 3 * 3600
    assert (letter.failures, letter.reason) == (5, "no answer")


# A lease that ran out unnoticed


async def test_a_task_that_comes_back_to_the_same_worker_replaces_its_earlier_attempt():
    handler = Stubborn()
    async with workplace(handler) as place:
        extend = place.backend.task_queue.extend

        async def fails(_):
            raise StoreUnavailable("no answer")

        async with place.at_work() as worker:
            run = await place.submit()
            await place.until(run.run_id, RunStatus.RUNNING)
            place.backend.task_queue.extend = fails
            await place.clock.advance(31)
            place.backend.task_queue.extend = extend
            out = place.pool.out
            handler.done.set()
            await worker.drain(1)
        ended = await place.backend.run_store.get(run.run_id)
        depth = await place.backend.task_queue.depth()

    assert (handler.calls, out) == ([1, 2], 1)
    assert (ended.status, ended.attempt) == (RunStatus.SUCCEEDED, 2)
    assert (depth.visible, depth.in_flight) == (0, 0)


# A task that could not be sent


async def test_a_run_whose_task_could_not_be_sent_is_forgotten_and_its_key_is_free():
    async with workplace(Counting()) as place:
        send = place.backend.task_queue.send

        async def fails(*_, **__):
            raise StoreUnavailable("the disk is full")

        place.backend.task_queue.send = fails
        ask = {"mode": Mode.ASYNC, "idempotency": ("key", "body")}
        with pytest.raises(StoreUnavailable):
            await place.dispatcher.run("hello", Raw(b"1"), **ask)
        refused = await place.dispatcher.list_runs(reference=None, status=None, limit=10, cursor=None)
        place.backend.task_queue.send = send
        run = await place.dispatcher.run("hello", Raw(b"1"), **ask)
        async with place.at_work():
            ended = await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert (refused.items, ended.run_id) == ([], run.run_id)


# What counts as a failure after a crash


async def crash_with_a_lease(folder, target, run_id, *, begun: bool):
    """Lease the task, kill the grid, and what the next one counts as failures."""
    async with open_local(folder, ManualClock()) as backend:
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        if begun:
            await backend.run_store.start(run_id, lease.attempt)
        # A commit that begins later than the notes has them.
        await backend.run_store.persist(run_id)
        await backend.registry.create(some_function(f"later-{lease.attempt}"))
        shutil.copytree(folder, target)
    async with open_local(target, ManualClock()) as backend:
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        await backend.task_queue.release(lease, failed=False)
    return lease.failures


async def test_a_crash_counts_against_the_tasks_whose_attempt_had_begun(tmp_path):
    run = some_run()
    async with open_local(tmp_path / "0", ManualClock()) as backend:
        await backend.run_store.accept(run, durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
    failures = [
        await crash_with_a_lease(tmp_path / str(number), tmp_path / str(number + 1), run.run_id, begun=begun)
        for number, begun in enumerate([False, True, False, False, True])
    ]

    assert failures == [0, 1, 1, 1, 2]


async def test_an_outcome_of_the_function_is_no_reason_to_count_a_crash(tmp_path):
    run = some_run()
    again = Outcome(
        status=RunStatus.QUEUED, error=RunError(kind=ErrorKind.EXCEPTION, type="ValueError", message="once more")
    )
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        await backend.run_store.accept(run, durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        await backend.run_store.start(run.run_id, lease.attempt)
        await backend.run_store.finish(run.run_id, lease.attempt, again)
    async with open_local(tmp_path / "data", ManualClock()) as backend:
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)

    assert (lease.attempt, lease.failures) == (2, 0)
