"""The worker: every lease ends in an outcome, a retry or a dead letter, in the promised order."""

import asyncio

import pytest
from msgspec import Raw, structs

from nanogrid.errors import RunEnded, SandboxUnavailable
from nanogrid.model import Depth, ErrorKind, Lease, Outcome, RunError, RunStatus, Standing, Task
from nanogrid.ports import Invocation, Reply, TaskQueue
from working import next_lease, workplace


async def doubles(call: Invocation) -> Reply:
    return Reply(output=Raw(str(2 * int(bytes(call.input))).encode()), duration_ms=1.5, peak_memory_mb=9.0)


async def raises(_: Invocation) -> Reply:
    return Reply(error=RunError(kind=ErrorKind.EXCEPTION, type="ValueError", message="no"))


async def never_ends(_: Invocation) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


async def breaks(_: Invocation) -> Reply:
    raise SandboxUnavailable("no room")


async def has_a_fault(_: Invocation) -> Reply:
    raise ZeroDivisionError("a fault of the platform's own")


async def test_a_task_becomes_an_outcome_and_leaves_the_queue():
    async with workplace(doubles) as place, place.at_work():
        run = await place.submit(b"21")
        ended = await place.until(run.run_id, RunStatus.SUCCEEDED)
        # The last step is taking the task off the queue.
        await place.clock.advance(0)
        depth = await place.backend.task_queue.depth()

    assert bytes(ended.output) == b"42"
    assert (ended.attempt, ended.usage.peak_memory_mb) == (1, 9.0)
    assert (depth.visible, depth.in_flight) == (0, 0)


async def test_the_outcome_is_stored_before_it_is_published_and_published_before_the_ack():
    async with workplace(doubles) as place:
        steps: list[tuple[str, RunStatus, int]] = []
        publish = place.backend.result_bus.publish

        async def seen(run):
            stored = await place.backend.run_store.get(run.run_id)
            steps.append(("publish", stored.status, (await place.backend.task_queue.depth()).in_flight))
            await publish(run)

        place.backend.result_bus.publish = seen
        async with place.at_work():
            run = await place.submit()
            await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert steps == [("publish", RunStatus.SUCCEEDED, 1)]


@pytest.mark.parametrize("behaviour", [breaks, has_a_fault])
async def test_after_the_fifth_platform_failure_a_run_is_dead_with_the_reason_and_can_be_redriven(behaviour):
    async with workplace(behaviour) as place, place.at_work():
        run = await place.submit()
        dead = await place.until(run.run_id, RunStatus.DEAD)
        letters = await place.letters()
        again = await place.dispatcher.redrive(run.run_id)
        twice_dead = await place.until(run.run_id, RunStatus.DEAD)

    assert dead.attempt == 5
    assert dead.error is not None
    assert dead.error.kind is ErrorKind.PLATFORM
    assert [(letter.run_id, letter.failures) for letter in letters] == [(run.run_id, 5)]
    assert again.status is RunStatus.QUEUED
    assert twice_dead.run_id == run.run_id


async def test_a_functions_failure_is_an_outcome_and_is_not_tried_again_without_a_policy():
    async with workplace(raises) as place, place.at_work():
        run = await place.submit()
        failed = await place.until(run.run_id, RunStatus.FAILED)

    assert failed.error is not None
    assert (failed.error.type, failed.attempt, failed.retried) == ("ValueError", 1, 0)


async def test_a_retry_policy_is_followed_to_its_end_and_then_the_failure_stands():
    async with workplace(raises, retries=2) as place, place.at_work():
        run = await place.submit()
        failed = await place.until(run.run_id, RunStatus.FAILED)

    assert (failed.attempt, failed.retried) == (3, 2)


async def test_a_function_that_cannot_be_imported_is_tried_as_often_as_its_policy_says():
    async with workplace(doubles, retries=2) as place, place.at_work():
        place.pool.import_error = RunError(kind=ErrorKind.INIT_FAILED, type="ImportError", message="no module")
        run = await place.submit()
        failed = await place.until(run.run_id, RunStatus.FAILED)

    assert (failed.attempt, failed.retried) == (3, 2)


async def test_a_failed_run_that_would_be_too_old_at_its_next_try_is_not_tried_again():
    async with workplace(raises, retries=10, max_age_ms=60_000) as place, place.at_work():
        run = await place.submit()
        failed = await place.until(run.run_id, RunStatus.FAILED)

    assert failed.error is not None
    assert failed.retried < 10


async def test_a_run_that_waited_too_long_is_not_started_any_more_and_says_so():
    async with workplace(doubles, max_age_ms=60_000) as place:
        run = await place.submit()
        await place.clock.advance(61)
        async with place.at_work():
            failed = await place.until(run.run_id, RunStatus.FAILED)

    assert failed.error is not None
    assert (failed.error.kind, failed.attempt) == (ErrorKind.EXPIRED, 0)


async def test_a_run_that_somebody_redrives_is_tried_however_old_it_is():
    async with workplace(breaks, max_age_ms=600_000) as place, place.at_work():
        run = await place.submit()
        await place.until(run.run_id, RunStatus.DEAD)
        await place.letters()
        await place.clock.advance(601)
        await place.dispatcher.redrive(run.run_id)
        dead_again = await place.until(run.run_id, RunStatus.DEAD)

    assert dead_again.attempt == 10


async def test_a_run_of_a_deleted_function_ends_with_a_named_error():
    async with workplace(doubles) as place:
        run = await place.submit()
        await place.backend.registry.delete((await place.backend.registry.get("hello")).function_id)
        async with place.at_work():
            failed = await place.until(run.run_id, RunStatus.FAILED)

    assert failed.error is not None
    assert failed.error.kind is ErrorKind.FUNCTION_DELETED


async def test_a_cancelled_run_frees_its_sandbox_and_its_task():
    async with workplace(never_ends) as place, place.at_work():
        run = await place.submit()
        await place.until(run.run_id, RunStatus.RUNNING)
        await place.dispatcher.cancel(run.run_id)
        cancelled = await place.until(run.run_id, RunStatus.CANCELLED)
        await place.clock.advance(1)
        depth = await place.backend.task_queue.depth()
        out = place.pool.out

    assert cancelled.status is RunStatus.CANCELLED
    assert (depth.visible, depth.in_flight, out) == (0, 0, 0)


async def test_a_slow_task_keeps_its_lease_by_heartbeats():
    async with workplace(never_ends) as place, place.at_work():
        run = await place.submit()
        await place.until(run.run_id, RunStatus.RUNNING)
        for _ in range(30):
            await place.clock.advance(10)
        held = await place.backend.run_store.get(run.run_id)
        depth = await place.backend.task_queue.depth()

    assert (held.attempt, depth.in_flight) == (1, 1)


async def test_a_late_finisher_is_refused_and_the_winner_stands():
    async with workplace(doubles) as place:
        run = await place.submit(b"4")
        slow = await next_lease(place)
        await place.backend.run_store.start(run.run_id, slow.attempt)
        await place.clock.advance(31)
        async with place.at_work():
            won = await place.until(run.run_id, RunStatus.SUCCEEDED)
        with pytest.raises(RunEnded):
            await place.backend.run_store.finish(
                run.run_id, slow.attempt, Outcome(status=RunStatus.SUCCEEDED, output=Raw(b'"late"'))
            )
        stored = await place.backend.run_store.get(run.run_id)

    assert (won.attempt, bytes(stored.output)) == (2, b"8")


async def test_a_drain_waits_for_what_ends_and_gives_the_rest_back():
    async with workplace(never_ends) as place:
        worker = place.worker()
        working = asyncio.create_task(worker.run())
        run = await place.submit()
        await place.until(run.run_id, RunStatus.RUNNING)
        working.cancel()
        given_back = await worker.drain(0)
        lease = await next_lease(place)

    assert given_back == 1
    assert (lease.task.run_id, lease.attempt, lease.failures) == (run.run_id, 2, 0)


async def test_a_worker_holds_no_more_than_it_may():
    async with workplace(never_ends) as place, place.at_work(max_running=3):
        for _ in range(10):
            await place.submit()
        await place.clock.advance(1)
        depth = await place.backend.task_queue.depth()

    assert (depth.in_flight, depth.visible) == (3, 7)


async def test_a_drain_longer_than_a_lease_keeps_its_leases():
    let_go = asyncio.Event()

    async def slow(call: Invocation) -> Reply:
        await let_go.wait()
        return await doubles(call)

    async with workplace(slow) as place:
        worker = place.worker()
        working = asyncio.create_task(worker.run())
        run = await place.submit()
        await place.until(run.run_id, RunStatus.RUNNING)
        working.cancel()
        draining = asyncio.create_task(worker.drain(3600))
        for _ in range(10):
            await place.clock.advance(place.backend.task_queue.lease_s / 3)
        held = worker.held
        let_go.set()
        given_back = await draining
        ended = await place.backend.run_store.get(run.run_id)

    assert (held, given_back) == (1, 0)
    assert (ended.status, ended.attempt) == (RunStatus.SUCCEEDED, 1)


class CarelessQueue(TaskQueue):
    """A queue that hands out a function's tasks however many are at work already, as SQS does."""

    def __init__(self, queue: TaskQueue, concurrency: int) -> None:
        self._queue, self._concurrency = queue, concurrency
        self.released = asyncio.Queue[float]()

    async def receive(self, *, limit: int, wait_s: float) -> list[Lease]:
        leases = await self._queue.receive(limit=limit, wait_s=wait_s)
        return [structs.replace(e, task=structs.replace(e.task, concurrency=self._concurrency)) for e in leases]

    async def release(self, lease: Lease, *, delay_s: float = 0.0, failed: bool) -> None:
        await self._queue.release(lease, delay_s=delay_s, failed=failed)
        self.released.put_nowait(delay_s)

    async def send(self, task: Task, *, durable: bool, delay_s: float = 0.0) -> None:
        await self._queue.send(task, durable=durable, delay_s=delay_s)

    async def extend(self, lease: Lease) -> None:
        await self._queue.extend(lease)

    async def ack(self, lease: Lease) -> None:
        await self._queue.ack(lease)

    async def depth(self) -> Depth:
        return await self._queue.depth()

    async def standing(self, run_id: str) -> Standing | None:
        return await self._queue.standing(run_id)

    @property
    def lease_s(self) -> float:
        return self._queue.lease_s


async def test_a_worker_keeps_a_functions_concurrency_where_the_queue_does_not():
    running: set[str] = set()
    most = 0
    let_go = asyncio.Event()

    async def counted(call: Invocation) -> Reply:
        nonlocal most
        running.add(call.run_id)
        most = max(most, len(running))
        await let_go.wait()
        running.discard(call.run_id)
        return await doubles(call)

    async with workplace(counted) as place:
        queue = CarelessQueue(place.backend.task_queue, concurrency=2)
        async with place.at_work(task_queue=queue):
            runs = [await place.submit() for _ in range(5)]
            pauses = [await queue.released.get() for _ in range(3)]
            let_go.set()
            ended = [await place.until(run.run_id, RunStatus.SUCCEEDED) for run in runs]

    assert all(pause >= 1 for pause in pauses)
    assert (most, [run.error for run in ended]) == (2, [None] * 5)
