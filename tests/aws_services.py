"""What the AWS backend stands on, for tests: an emulated AWS whose clock a test turns by hand, and a real Redis.

One of each for a session; every test has tables, queues and a bucket of its own.
"""

import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import botocore.session
import pytest

from clocks import ManualClock
from nanogrid.backends.aws import AwsSettings
from nanogrid.backends.aws.tables import FUNCTIONS, MAX_RECEIVES, RUNS, creation
from nanogrid.cloud.emulator import EmulatedAws, open_emulator
from nanogrid.cloud.loopback import free_port

_numbers = itertools.count(1)


class Redis:
    """A real Redis, which a test may stop and start again; nothing of it is on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["redis-server", *self._listening(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        log = (self._folder / "redis.log").open("ab")
        self._process = subprocess.Popen([*command, "--dir", str(self._folder)], stdout=log, stderr=log)
        log.close()
        with socket.socket() as asking:
            while asking.connect_ex(("127.0.0.1", self.port)) != 0:
                time.sleep(0.01)

    def _listening(self) -> list[str]:
        return ["--port", str(self.port)]

    def ensure(self) -> None:
        if self._process is None:
            self.start()

    def forget(self) -> None:
        """Lose everything, as FLUSHALL does."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            connection.recv(100)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


class TurnedClock(ManualClock):
    """A clock that the emulated AWS goes by as well; each begins at the same moment."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._tell()

    async def advance(self, seconds: float) -> None:
        await super().advance(seconds)
        self._tell()

    def _tell(self) -> None:
        # Beside, then renamed: it is read at any moment.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.now():%Y-%m-%d %H:%M:%S}\n")
        fresh.replace(self._file)


@dataclass(frozen=True, kw_only=True)
class AwsServices:
    """Running services."""

    aws: EmulatedAws
    redis: Redis
    #: What the emulator takes its time from.
    now: Path
    session: botocore.session.Session

    def client(self, service: str):
        """A botocore client, to make things and to look at them from outside."""
        return self.session.create_client(
            service,
            region_name=self.aws.region,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    @contextmanager
    def stack(self, **settings: object) -> Iterator[AwsSettings]:
        """Tables, queues, a bucket and a key of one's own."""
        number = next(_numbers)
        dynamo, sqs, s3 = (self.client(name) for name in ("dynamodb", "sqs", "s3"))
        tables = {f"{table.name}-{number}": table for table in (FUNCTIONS, RUNS)}
        for name, table in tables.items():
            dynamo.create_table(**creation(table, name))
        dead = sqs.create_queue(QueueName=f"dead-{number}")["QueueUrl"]
        dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = f'{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":{MAX_RECEIVES}}}'
        tasks = sqs.create_queue(QueueName=f"tasks-{number}", Attributes={"RedrivePolicy": policy})["QueueUrl"]
        bucket = f"code-{number}"
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.aws.region})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        functions, runs = tables
        values = {
            "region": self.aws.region,
            "endpoint_url": self.aws.endpoint,
            "code_bucket": bucket,
            "functions_table": functions,
            "runs_table": runs,
            "queue_url": tasks,
            "dead_letter_queue_url": dead,
            "redis_url": self.redis.url,
            "vault_key": self.client("kms").create_key()["KeyMetadata"]["KeyId"],
        }
        try:
            yield AwsSettings(**(values | settings))
        finally:
            for name in tables:
                dynamo.delete_table(TableName=name)
            for url in (tasks, dead):
                sqs.delete_queue(QueueUrl=url)

    @property
    def environ(self) -> dict[str, str]:
        return self.aws.environment


@contextmanager
def running_services(folder: Path) -> Iterator[AwsServices]:
    """The services until the context ends. Skips where something is missing; fails in CI."""
    for program in ("redis-server", "faketime"):
        if shutil.which(program) is None:
            missing(program)
    now = folder / "now"
    TurnedClock(now)
    redis = Redis(folder)
    redis.start()
    emulator = open_emulator(folder, redis=("127.0.0.1", redis.port), extra=_turned_by(now))
    with asyncio.Runner() as runner:
        aws = runner.run(emulator.__aenter__())
        try:
            yield AwsServices(aws=aws, redis=redis, now=now, session=botocore.session.Session())
        finally:
            runner.run(emulator.__aexit__(None, None, None))
            redis.stop()


def _turned_by(now: Path) -> dict[str, str]:
    """Makes the emulator's time of day stand still at what the file says; its waits stay real."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        missing("libfaketime")
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(now),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
    }


def missing(what: str) -> None:
    """Fail in CI, skip elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is not installed")
