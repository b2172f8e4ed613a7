"""The promises of `ResultBus`."""

import asyncio

from msgspec import structs

from nanogrid.model import RunStatus
from records import some_run


def ended(run, status=RunStatus.SUCCEEDED):
    return structs.replace(run, status=status)


async def test_who_waits_is_woken_with_the_run_or_told_to_read_the_store(bench):
    run = ended(some_run())
    async with bench.open() as backend, backend.result_bus.listen(run.run_id) as listener:
        waiting = asyncio.create_task(listener.wait(60))
        await asyncio.sleep(0)
        await backend.result_bus.publish(run)

        assert await waiting in (run, None)


async def test_a_run_published_between_listening_and_waiting_is_not_missed(bench):
    run = ended(some_run())
    async with bench.open() as backend, backend.result_bus.listen(run.run_id) as listener:
        await backend.result_bus.publish(run)

        assert await listener.wait(60) in (run, None)


async def test_a_wait_that_is_over_gives_none_and_the_next_one_hears_the_news(bench):
    run = ended(some_run())
    async with bench.open() as backend, backend.result_bus.listen(run.run_id) as listener:
        silence = [await listener.wait(0), await listener.wait(0.001)]
        await backend.result_bus.publish(run)

        assert silence == [None, None]
        assert await listener.wait(60) in (run, None)


async def test_everybody_who_listens_is_woken(bench):
    run = ended(some_run())
    async with bench.open() as backend:
        bus = backend.result_bus
        async with bus.listen(run.run_id) as first, bus.listen(run.run_id) as second:
            waiting = [asyncio.create_task(listener.wait(60)) for listener in (first, second)]
            await asyncio.sleep(0)
            await bus.publish(run)
            heard = await asyncio.gather(*waiting)

    assert all(run_heard in (run, None) for run_heard in heard)


async def test_other_runs_do_not_wake(bench):
    async with bench.open() as backend, backend.result_bus.listen(some_run().run_id) as listener:
        await backend.result_bus.publish(ended(some_run()))

        assert await listener.wait(0.001) is None


async def test_publishing_where_nobody_listens_is_no_error(bench):
    run = ended(some_run())
    async with bench.open() as backend:
        async with backend.result_bus.listen(run.run_id):
            pass
        await backend.result_bus.publish(run)


async def test_thousands_of_immediate_outcomes_are_all_heard(bench):
    async with bench.open() as backend:
        for run in [ended(some_run()) for _ in range(bench.many)]:
            async with backend.result_bus.listen(run.run_id) as listener:
                await backend.result_bus.publish(run)

                assert await listener.wait(60) in (run, None)


async def test_a_worker_hears_of_cancelled_runs_and_of_no_others(bench):
    first, second, third = some_run(), some_run(), some_run()
    async with bench.open() as backend, backend.result_bus.cancellations() as run_ids:
        await backend.result_bus.publish(ended(first, RunStatus.CANCELLED))
        await backend.result_bus.publish(ended(second))
        await backend.result_bus.publish(ended(third, RunStatus.CANCELLED))

        assert [await anext(run_ids) for _ in range(2)] == [first.run_id, third.run_id]
