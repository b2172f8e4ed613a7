"""The fast path: what may take it, and that whoever takes it can be cancelled, drained and repaired as on the queue."""

import asyncio

import pytest
from msgspec import Raw

from nanogrid.errors import SandboxBroken
from nanogrid.model import ErrorKind, Mode, RunError, RunStatus
from nanogrid.ports import Invocation, Reply
from working import workplace


class Sent:
    """Counts what goes over the queue."""

    def __init__(self, place):
        self.count = 0
        queue, acceptance = place.backend.task_queue, place.backend.acceptance
        queue.send, acceptance.accept = self._counted(queue.send), self._counted(acceptance.accept)

    def _counted(self, send):
        async def counted(*args, **options):
            self.count += 1
            await send(*args, **options)

        return counted


async def doubles(call: Invocation) -> Reply:
    return Reply(output=Raw(str(2 * int(bytes(call.input))).encode()), duration_ms=1.5)


async def raises(_: Invocation) -> Reply:
    return Reply(error=RunError(kind=ErrorKind.EXCEPTION, type="ValueError", message="no"))


def waits_for(event):
    async def behaviour(_: Invocation) -> Reply:
        await event.wait()
        return Reply(output=Raw(b"1"))

    return behaviour


async def test_a_plain_synchronous_run_on_a_warm_sandbox_is_no_task():
    async with workplace(doubles, direct=True) as place, place.at_work():
        sent = Sent(place)
        run = await place.dispatcher.run("hello", Raw(b"21"), mode=Mode.SYNC)
        stored = await place.backend.run_store.get(run.run_id)

    assert (run.status, bytes(run.output), run.attempt) == (RunStatus.SUCCEEDED, b"42", 1)
    assert stored.status is RunStatus.SUCCEEDED
    assert sent.count == 0


# what was promised to somebody else than who waits
@pytest.mark.parametrize("promise", [{"mode": Mode.ASYNC}, {"mode": Mode.SYNC, "idempotency": ("key", "digest")}])
async def test_a_run_that_must_outlive_the_process_goes_over_the_queue(promise):
    async with workplace(doubles, direct=True) as place, place.at_work():
        sent = Sent(place)
        run = await place.dispatcher.run("hello", Raw(b"1"), **promise)
        await place.until(run.run_id, RunStatus.SUCCEEDED)

    assert sent.count == 1


async def test_a_run_that_may_outlast_its_callers_wait_goes_over_the_queue():
    async with workplace(doubles, direct=True, timeout_ms=55_000) as place, place.at_work():
        sent = Sent(place)
        await place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC)

    assert sent.count == 1


async def test_without_a_warm_sandbox_a_run_goes_over_the_queue():
    async with workplace(doubles, direct=True) as place, place.at_work():
        sent = Sent(place)
        place.pool.warm = False
        await place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC)

    assert sent.count == 1


async def test_a_run_overtakes_no_task_that_waits_for_the_worker():
    let_go = asyncio.Event()
    async with workplace(waits_for(let_go), direct=True) as place, place.at_work(max_running=1):
        first, second = await place.submit(), await place.submit()
        await place.until(first.run_id, RunStatus.RUNNING)
        third = asyncio.create_task(place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC))
        await place.clock.advance(1)
        let_go.set()
        ended = await third
        before = await place.until(second.run_id, RunStatus.SUCCEEDED)

    assert before.started_at <= ended.started_at


async def test_a_functions_failure_is_an_outcome():
    async with workplace(raises, direct=True) as place, place.at_work():
        run = await place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC)

    assert (run.status, run.error.type) == (RunStatus.FAILED, "ValueError")


async def test_what_the_platform_fails_at_is_tried_again_over_the_queue():
    tries = []

    async def breaks_once(call: Invocation) -> Reply:
        tries.append(call.attempt)
        if len(tries) == 1:
            raise SandboxBroken("it died between two runs")
        return await doubles(call)

    async with workplace(breaks_once, direct=True) as place, place.at_work():
        run = await place.dispatcher.run("hello", Raw(b"4"), mode=Mode.SYNC)

    assert (run.status, bytes(run.output), len(tries)) == (RunStatus.SUCCEEDED, b"8", 2)


async def test_a_cancelled_run_ends_its_sandbox_and_answers_its_caller():
    async with workplace(waits_for(asyncio.Event()), direct=True) as place, place.at_work():
        caller = asyncio.create_task(place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC))
        run = await place.only_run(RunStatus.RUNNING)
        await place.dispatcher.cancel(run.run_id)
        answered = await caller

    assert answered.status is RunStatus.CANCELLED
    assert place.pool.killed == 1


async def test_a_drain_lets_a_run_end_within_the_grace():
    let_go = asyncio.Event()
    async with workplace(waits_for(let_go), direct=True) as place:
        async with place.at_work() as worker:
            caller = asyncio.create_task(place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC))
            await place.only_run(RunStatus.RUNNING)
            draining = asyncio.create_task(worker.drain(60))
            await asyncio.sleep(0)
            let_go.set()
            await draining
        ended = await caller

    assert ended.status is RunStatus.SUCCEEDED


async def test_what_a_drain_ends_is_back_on_the_queue_and_its_caller_told_to_come_back():
    async with workplace(waits_for(asyncio.Event()), direct=True) as place:
        worker = place.worker()
        working = asyncio.create_task(worker.run())
        await asyncio.sleep(0)
        caller = asyncio.create_task(place.dispatcher.run("hello", Raw(b"1"), mode=Mode.SYNC))
        run = await place.only_run(RunStatus.RUNNING)
        working.cancel()
        await worker.drain(0)
        place.backend.result_bus.wake_all()
        answered = await caller
        depth = await place.backend.task_queue.depth()

    assert (answered.run_id, answered.status) == (run.run_id, RunStatus.RUNNING)
    assert (depth.visible, place.pool.killed) == (1, 1)
