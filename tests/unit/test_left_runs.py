"""A dispatcher that ended between a run and its task, as a Lambda can: whoever asks with the same key has it run."""

import pytest
from msgspec import Raw

from nanogrid.dispatcher import Dispatcher
from nanogrid.model import Mode, RunStatus
from nanogrid.ports import Reply
from working import workplace

KEY = {"mode": Mode.ASYNC, "idempotency": ("key", "digest")}


async def doubles(call):
    return Reply(output=Raw(str(2 * int(bytes(call.input))).encode()), duration_ms=1.5)


class Died(BaseException):
    """The process that should have sent the task is gone."""


class DyingQueue:
    """What a dispatcher sends to when it dies over it."""

    async def send(self, *_, **__):
        raise Died


def dispatcher(place, task_queue=None):
    backend = place.backend
    return Dispatcher(
        backend.registry,
        backend.run_store,
        task_queue or backend.task_queue,
        backend.dead_letters,
        backend.result_bus,
        place.clock,
        max_wait_s=60.0,
        sends_again=True,
    )


async def left_run(place):
    with pytest.raises(Died):
        await dispatcher(place, DyingQueue()).run("hello", Raw(b"21"), **KEY)


async def test_a_run_whose_task_was_never_sent_is_run_when_it_is_asked_for_again():
    async with workplace(doubles) as place:
        await left_run(place)
        await place.clock.advance(31)
        async with place.at_work():
            asked = await dispatcher(place).run("hello", Raw(b"21"), **KEY)
            ended = await place.until(asked.run_id, RunStatus.SUCCEEDED)

    assert (bytes(ended.output), ended.attempt) == (b"42", 1)


async def test_a_run_that_was_accepted_a_moment_ago_is_left_to_whoever_did():
    async with workplace(doubles) as place:
        await left_run(place)
        await place.clock.advance(29)
        asked = await dispatcher(place).run("hello", Raw(b"21"), **KEY)

        assert asked.status is RunStatus.QUEUED
        assert not place.backend.task_queue.holds(asked.run_id)


async def test_a_run_that_has_ended_is_not_sent_again():
    async with workplace(doubles) as place:
        async with place.at_work():
            first = await dispatcher(place).run("hello", Raw(b"21"), **KEY)
            await place.until(first.run_id, RunStatus.SUCCEEDED)
        await place.clock.advance(31)
        again = await dispatcher(place).run("hello", Raw(b"21"), **KEY)

        assert (again.run_id, again.status) == (first.run_id, RunStatus.SUCCEEDED)
        assert not place.backend.task_queue.holds(first.run_id)
