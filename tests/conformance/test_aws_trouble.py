"""What the AWS backend adds to the promises: services that go away, limits of theirs, and calls that are made twice."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from msgspec import UNSET, Raw, structs

from aws_services import AwsServices, TurnedClock
from nanogrid.backends.aws import AwsSettings, open_aws
from nanogrid.backends.aws.client import JsonService
from nanogrid.backends.aws.tables import MAX_RECEIVES
from nanogrid.errors import RevisionConflict, RunEnded
from nanogrid.identifiers import new_function_id
from nanogrid.model import Logs, RunStatus
from nanogrid.ports import RecordStore, Registry, RunStore
from records import AGAIN, DEAD, SUCCEEDED, some_function, some_run, some_task

LARGE = Raw(b'"' + b"x" * 3_000_000 + b'"')


@pytest.fixture
def settings(aws_services: AwsServices):
    with aws_services.stack(lease_s=30.0, settle_s=0) as settings:
        yield settings
        aws_services.redis.ensure()


@pytest.fixture
def opened(aws_services: AwsServices, settings: AwsSettings):
    @asynccontextmanager
    async def open_backend():
        clock = TurnedClock(aws_services.now)
        async with open_aws(settings, clock, environ=aws_services.environ) as backend:
            yield backend

    return open_backend


async def started(backend):
    run = await backend.run_store.accept(some_run(), durable=True)
    await backend.run_store.start(run.run_id, 1)
    return run


# Redis away


async def test_who_waits_while_redis_is_away_hears_of_the_outcome_all_the_same(opened, aws_services):
    aws_services.redis.stop()
    async with opened() as backend:
        run = await started(backend)
        async with backend.result_bus.listen(run.run_id) as listener:
            waiting = asyncio.create_task(listener.wait(60))
            ended = await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
            await backend.result_bus.publish(ended)

            assert await waiting == ended


async def test_who_waits_when_redis_dies_hears_of_the_outcome_all_the_same(opened, aws_services):
    async with opened() as backend:
        run = await started(backend)
        async with backend.result_bus.listen(run.run_id) as listener:
            waiting = asyncio.create_task(listener.wait(60))
            await asyncio.sleep(0)
            aws_services.redis.stop()
            ended = await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
            await backend.result_bus.publish(ended)

            assert await waiting == ended


async def test_nobody_waits_past_his_time_because_redis_is_away(opened, aws_services):
    aws_services.redis.stop()
    async with opened() as backend:
        run = await started(backend)
        async with backend.result_bus.listen(run.run_id) as listener:
            assert await listener.wait(0.2) is None


async def test_subscriptions_outlive_a_restart_of_redis(opened, aws_services):
    cancelled = structs.replace(some_run(), status=RunStatus.CANCELLED)
    async with opened() as backend, backend.result_bus.cancellations() as run_ids:
        aws_services.redis.stop()
        aws_services.redis.start()
        hearing = asyncio.create_task(anext(run_ids))
        while not hearing.done():
            await backend.result_bus.publish(cancelled)
            await asyncio.wait([hearing], timeout=0.05)

        assert hearing.result() == cancelled.run_id


async def test_an_outcome_that_redis_forgot_is_read_from_the_store(opened, aws_services):
    async with opened() as backend:
        run = await started(backend)
        async with backend.result_bus.listen(run.run_id) as listener:
            ended = await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
            await backend.result_bus.publish(ended)
            aws_services.redis.forget()

            assert await listener.wait(60) == ended


# Limits of the services


async def test_large_inputs_outcomes_and_logs_come_back_whole_and_leave_items_small(opened, aws_services, settings):
    outcome = structs.replace(SUCCEEDED, output=LARGE, logs=Logs(text="y" * 260_000, truncated=True))
    async with opened() as backend:
        run = await backend.run_store.accept(some_run(input=LARGE), durable=True)
        await backend.run_store.start(run.run_id, 1)
        await backend.run_store.finish(run.run_id, 1, outcome)
        found = await backend.run_store.get(run.run_id)
        listed = (await backend.run_store.list_runs(limit=10)).items
    item = aws_services.client("dynamodb").get_item(TableName=settings.runs_table, Key={"pk": {"S": run.run_id}})

    assert (found.input, found.output, found.logs) == (LARGE, LARGE, outcome.logs)
    assert listed == [structs.replace(found, input=UNSET)]
    assert len(str(item["Item"])) < 10_000


async def test_a_large_task_travels_beside_its_message(opened, aws_services, settings):
    task = some_task(input=LARGE)
    async with opened() as backend:
        await backend.task_queue.send(task, durable=True)
        sqs = aws_services.client("sqs")
        (message,) = sqs.receive_message(QueueUrl=settings.queue_url, VisibilityTimeout=0)["Messages"]
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)

    assert len(message["Body"]) < 1_000
    assert lease.task == task


async def test_characters_that_sqs_refuses_reach_the_worker(opened):
    task = some_task(input=Raw('"\uffff\ufffe \u2603"'.encode()))
    async with opened() as backend:
        await backend.task_queue.send(task, durable=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)

    assert lease.task == task


async def test_sqs_learns_whose_turn_each_task_belongs_to(opened, aws_services, settings):
    function_id = new_function_id()
    async with opened() as backend:
        await backend.task_queue.send(some_task(function_id), durable=True)
    (message,) = aws_services.client("sqs").receive_message(
        QueueUrl=settings.queue_url, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]

    assert message["Attributes"]["MessageGroupId"] == function_id


# What SQS does by itself


async def test_a_message_that_is_no_task_goes_to_the_dead_letter_queue_and_holds_up_nothing(
    opened, aws_services, settings
):
    sqs, good = aws_services.client("sqs"), some_task()
    async with opened() as backend:
        for body in ("{", "not base64!", '{"attempts":1}'):
            sqs.send_message(QueueUrl=settings.queue_url, MessageBody=body)
        await backend.task_queue.send(good, durable=True)
        leases = await backend.task_queue.receive(limit=10, wait_s=0)
    dead = sqs.receive_message(QueueUrl=settings.dead_letter_queue_url, MaxNumberOfMessages=10)["Messages"]

    assert [lease.task for lease in leases] == [good]
    assert len(dead) == 3


async def test_a_task_that_sqs_gave_up_ends_its_run_as_dead_and_can_be_redriven(opened, aws_services, settings):
    sqs = aws_services.client("sqs")
    async with opened() as backend:
        run = await backend.run_store.accept(some_run(), durable=True)
        task = some_task(run_id=run.run_id)
        await backend.task_queue.send(task, durable=True)
        (moved,) = sqs.receive_message(QueueUrl=settings.queue_url)["Messages"]
        sqs.delete_message(QueueUrl=settings.queue_url, ReceiptHandle=moved["ReceiptHandle"])
        sqs.send_message(QueueUrl=settings.dead_letter_queue_url, MessageBody=moved["Body"])
        buried = [await backend.undertaker.bury_some(wait_s=0) for _ in range(2)]
        found = await backend.run_store.get(run.run_id)
        (letter,) = (await backend.dead_letters.list_letters(limit=10)).items
        await backend.dead_letters.redrive(run.run_id)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)

    assert buried == [1, 0]
    assert (found.status, letter.run_id) == (RunStatus.DEAD, run.run_id)
    assert "SQS gave it up" in letter.reason
    assert lease.task.run_id == run.run_id


async def test_a_task_that_was_only_given_back_each_time_goes_to_the_queue_again(opened, aws_services, settings):
    async with opened() as backend:
        run = await backend.run_store.accept(some_run(), durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        await backend.task_queue.ack(lease)
        undertaker = backend.undertaker
        await asyncio.gather(*(undertaker._fares.note_return(run.run_id, number) for number in range(1, MAX_RECEIVES)))
        body = await undertaker._envelopes.seal(lease.task)
        aws_services.client("sqs").send_message(QueueUrl=settings.dead_letter_queue_url, MessageBody=body)
        await undertaker.bury_some(wait_s=0)
        (again,) = await backend.task_queue.receive(limit=1, wait_s=0)
        found = await backend.run_store.get(run.run_id)

    assert (again.task, again.failures, again.attempt > MAX_RECEIVES) == (lease.task, 0, True)
    assert found.status is RunStatus.QUEUED


async def test_a_run_that_has_its_outcome_is_not_declared_dead(opened, aws_services, settings):
    async with opened() as backend:
        run = await started(backend)
        await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        sqs = aws_services.client("sqs")
        body = await backend.undertaker._envelopes.seal(lease.task)
        sqs.send_message(QueueUrl=settings.dead_letter_queue_url, MessageBody=body)
        await backend.undertaker.bury_some(wait_s=0)
        found = await backend.run_store.get(run.run_id)

        assert found.status is RunStatus.SUCCEEDED
        assert (await backend.dead_letters.list_letters(limit=10)).items == []


# Calls whose answer was lost


class Twice(JsonService):
    """Makes every write twice and answers as the second time, as a client does whose first answer was lost."""

    def __init__(self, service: JsonService) -> None:
        self._service = service

    async def call(self, operation: str, body: bytes, *, timeout_s: float = 10.0) -> bytes:
        if operation in ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"):
            await self._service.call(operation, body, timeout_s=timeout_s)
        return await self._service.call(operation, body, timeout_s=timeout_s)


def making_each_write_twice(port: RunStore | Registry | RecordStore):
    dynamo = port._dynamo
    dynamo._service = Twice(dynamo._service)
    return port


async def test_a_run_s_changes_count_once_though_each_is_written_twice(opened):
    async with opened() as backend:
        store = making_each_write_twice(backend.run_store)
        run = await store.accept(some_run(), durable=True)
        await store.start(run.run_id, 1)
        waiting = await store.finish(run.run_id, 1, AGAIN)
        await store.start(run.run_id, 2)
        await store.finish(run.run_id, 2, DEAD)
        await store.reopen(run.run_id)
        await store.start(run.run_id, 3)
        ended = await store.finish(run.run_id, 3, SUCCEEDED)
        with pytest.raises(RunEnded):
            await store.finish(run.run_id, 3, SUCCEEDED)

    assert (waiting.retried, ended.retried, ended.status) == (1, 1, RunStatus.SUCCEEDED)


async def test_functions_and_records_change_once_though_each_is_written_twice(opened):
    first = some_function()
    async with opened() as backend:
        registry, records = making_each_write_twice(backend.registry), backend.record_store
        await registry.create(first)
        await registry.update(structs.replace(first, version=2))
        put = await records.put("alias", "a", Raw(b"1"), revision=None)
        again = await records.put("alias", "a", Raw(b"2"), revision=put.revision)
        with pytest.raises(RevisionConflict):
            await records.put("alias", "a", Raw(b"3"), revision=put.revision)

        assert [one.version for one in await registry.versions(first.function_id)] == [2, 1]
        assert await records.get("alias", "a") == again


# A function's limit


async def test_tasks_above_a_function_s_limit_are_held_and_given_back_without_a_failure(opened):
    function_id = new_function_id()
    async with opened() as backend:
        for _ in range(3):
            await backend.task_queue.send(some_task(function_id, concurrency=1), durable=True)
        leases = await backend.task_queue.receive(limit=10, wait_s=0)
        await backend.task_queue.ack(leases[0])
    async with opened() as backend:
        again = await backend.task_queue.receive(limit=10, wait_s=0)

    assert len(leases) == 1
    assert [(lease.attempt, lease.failures) for lease in again] == [(2, 0)]
