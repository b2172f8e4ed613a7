"""Opens everything that AWS offers behind the ports."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from nanogrid.backends.aws.artifact_store import AwsArtifactStore
from nanogrid.backends.aws.backlog import Backlog
from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.aws.client import AwsClient, JsonService
from nanogrid.backends.aws.code_store import AwsCodeStore
from nanogrid.backends.aws.credentials import CredentialSource
from nanogrid.backends.aws.dead_letters import AwsDeadLetters
from nanogrid.backends.aws.dynamo import Dynamo
from nanogrid.backends.aws.envelope import Envelopes
from nanogrid.backends.aws.fares import Fares
from nanogrid.backends.aws.http_client import HttpClient
from nanogrid.backends.aws.intake import Intake
from nanogrid.backends.aws.log_feed import AwsLogFeed
from nanogrid.backends.aws.payloads import Payloads
from nanogrid.backends.aws.record_store import AwsRecordStore
from nanogrid.backends.aws.registry import AwsRegistry
from nanogrid.backends.aws.result_bus import AwsResultBus
from nanogrid.backends.aws.retired_code import RetiredCode
from nanogrid.backends.aws.run_store import AwsRunStore
from nanogrid.backends.aws.settings import AwsSettings
from nanogrid.backends.aws.slots import Slots
from nanogrid.backends.aws.sqs import Queue
from nanogrid.backends.aws.subscriptions import Subscriptions
from nanogrid.backends.aws.task_queue import AwsTaskQueue
from nanogrid.backends.aws.undertaker import Undertaker
from nanogrid.backends.aws.uploads import AwsUploads
from nanogrid.backends.aws.vault import AwsVault
from nanogrid.clock import Clock
from nanogrid.ports import (
    ArtifactStore,
    CodeStore,
    DeadLetters,
    LogFeed,
    RecordStore,
    Registry,
    ResultBus,
    RunStore,
    TaskQueue,
    Uploads,
    Vault,
)

#: Redis is near; who does not answer within this is away, in seconds.
_REDIS_TIMEOUT_S = 2.0
_CANCEL_AGAIN_S = 0.05


@dataclass(frozen=True, kw_only=True)
class AwsBackend:
    """One adapter for each port, all on the same stack."""

    code_store: CodeStore
    uploads: Uploads
    artifact_store: ArtifactStore
    registry: Registry
    run_store: RunStore
    task_queue: TaskQueue
    dead_letters: DeadLetters
    result_bus: ResultBus
    log_feed: LogFeed
    record_store: RecordStore
    vault: Vault
    #: Ends the runs that SQS gave up on. Workers run it; the control plane need not.
    undertaker: Undertaker
    #: None: no step takes both a run and its task here, for they lie with two services.
    acceptance: None = None
    #: What becomes of code that no function uses any more. The control plane's to know.
    retired_code: RetiredCode


@dataclass(frozen=True, kw_only=True)
class _Services:
    """The services, each behind its own adapter."""

    dynamo: Dynamo
    tasks: Queue
    dead: Queue
    bucket: Bucket
    kms: JsonService
    redis: Redis


@asynccontextmanager
async def open_aws(
    settings: AwsSettings, clock: Clock, *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[AwsBackend]:
    """The backend on the stack that the settings name; nothing is asked of it before it is used.

    Credentials come from `environ` (the process's own by default), the container's endpoint or the instance.
    """
    async with AsyncExitStack() as stack:
        services = _open_services(stack, settings, clock, os.environ if environ is None else environ)
        dynamo, table, payloads = services.dynamo, settings.runs_table, Payloads(services.bucket)
        envelopes, fares = Envelopes(payloads), Fares(dynamo, table, clock)
        task_queue = AwsTaskQueue(
            services.tasks,
            Intake(services.tasks, services.dead, envelopes, fares, clock),
            envelopes,
            fares,
            Backlog(services.tasks, clock, most=settings.max_backlog),
            Slots(services.redis, settings.runs_table, lasts_s=settings.lease_s, settle_s=settings.settle_s),
            clock,
            settings.lease_s,
        )
        stack.push_async_callback(task_queue.close)
        run_store = AwsRunStore(dynamo, payloads, table, clock)
        stack.push_async_callback(run_store.close)
        subscriptions = Subscriptions(services.redis)
        result_bus = AwsResultBus(services.redis, subscriptions, run_store)
        log_feed = AwsLogFeed(services.redis, subscriptions)
        dead_letters = AwsDeadLetters(task_queue, envelopes, fares, dynamo, table, clock)
        for besides in (task_queue.keep(), subscriptions.run(), log_feed.run()):
            _run_besides(stack, besides)
        registry = AwsRegistry(dynamo, settings.functions_table, clock)
        record_store = AwsRecordStore(dynamo, settings.functions_table)
        yield AwsBackend(
            artifact_store=AwsArtifactStore(services.bucket),
            code_store=AwsCodeStore(services.bucket),
            uploads=AwsUploads(services.bucket),
            registry=registry,
            run_store=run_store,
            task_queue=task_queue,
            dead_letters=dead_letters,
            result_bus=result_bus,
            log_feed=log_feed,
            record_store=record_store,
            vault=AwsVault(services.kms, settings.vault_key),
            retired_code=RetiredCode(services.bucket, registry, record_store, clock),
            undertaker=Undertaker(
                services.tasks, services.dead, envelopes, fares, run_store, dead_letters, result_bus, clock
            ),
        )


def _open_services(stack: AsyncExitStack, settings: AwsSettings, clock: Clock, environ: Mapping[str, str]) -> _Services:
    http = HttpClient()
    stack.callback(http.close)
    client = AwsClient(http, CredentialSource(environ, http, clock), clock, region=settings.region)
    redis = Redis.from_url(
        settings.redis_url,
        protocol=2,
        socket_timeout=_REDIS_TIMEOUT_S,
        socket_connect_timeout=_REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    stack.push_async_callback(redis.aclose)
    sqs = JsonService(client.service("sqs", _address(settings, "sqs")), "AmazonSQS")
    dynamo = JsonService(client.service("dynamodb", _address(settings, "dynamodb")), "DynamoDB_20120810")
    return _Services(
        dynamo=Dynamo(dynamo),
        tasks=Queue(sqs, settings.queue_url),
        dead=Queue(sqs, settings.dead_letter_queue_url),
        bucket=_bucket(client, settings),
        kms=JsonService(client.service("kms", _address(settings, "kms")), "TrentService", version="1.1"),
        redis=redis,
    )


def _bucket(client: AwsClient, settings: AwsSettings) -> Bucket:
    if settings.endpoint_url:
        # An emulator has one name: the bucket goes into the path.
        return Bucket(client.service("s3", settings.endpoint_url), f"/{settings.code_bucket}")
    return Bucket(client.service("s3", f"https://{settings.code_bucket}.s3.{settings.region}.amazonaws.com"))


def _address(settings: AwsSettings, service: str) -> str:
    return settings.endpoint_url or f"https://{service}.{settings.region}.amazonaws.com"


def _run_besides(stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    """Run it until the context ends."""
    task = asyncio.create_task(work)

    async def end() -> None:
        # More than once: the Redis client may swallow a cancellation while it connects.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)

    stack.push_async_callback(end)
