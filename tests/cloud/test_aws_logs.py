"""`nanogrid aws logs --follow`: each line once, as it comes, until Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from nanogrid.cloud.deployment.account import Account
from nanogrid.cloud.deployment.logs import LogReader, Source
from nanogrid.cloud.emulator import EmulatedAws

WORKER, DISPATCHER = "/nanogrid/worker", "/aws/lambda/nanogrid-dispatcher"
Put = Callable[..., None]


@pytest.fixture
def account(aws: EmulatedAws, boto: boto3.Session) -> Account:
    return Account(boto, aws.region, endpoint_url=aws.endpoint)


@pytest.fixture
def put(account: Account) -> Iterator[Put]:
    """Writes a line into a log group, so many milliseconds before now."""
    logs: Any = account.client("logs")
    now = int(datetime.now(UTC).timestamp() * 1000)
    for group in (WORKER, DISPATCHER):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")

    def put(text: str, *, group: str = WORKER, ago_ms: int = 0) -> None:
        events = [{"timestamp": now - ago_ms, "message": text}]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)

    yield put
    for group in (WORKER, DISPATCHER):
        logs.delete_log_group(logGroupName=group)


def _an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def test_lines_are_followed_in_order_and_one_that_shows_late_is_not_missed_nor_told_twice(account, put):
    put("old", ago_ms=60_000)
    put("newer", group=DISPATCHER, ago_ms=50_000)
    between = iter(
        [
            lambda: put("fresh"),
            # CloudWatch shows this one only now, although it is older.
            lambda: put("late", group=DISPATCHER, ago_ms=5_000),
            lambda: None,
            lambda: put("last"),
        ]
    )
    reader = LogReader(account, lambda _: next(between)())
    lines = reader.follow([Source.WORKER, Source.DISPATCHER], _an_hour_ago())
    told = [next(lines) for _ in range(5)]

    assert [line.text for line in told] == ["old", "newer", "fresh", "late", "last"]
    assert [line.source for line in told] == ["worker", "dispatcher", "worker", "dispatcher", "worker"]


def test_the_command_shows_what_comes_and_ends_quietly_at_ctrl_c(aws: EmulatedAws, put):
    put("first")
    with subprocess.Popen(
        [sys.executable, "-m", "nanogrid", "aws", "logs", "worker", "--follow"],
        env=os.environ | aws.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            first = process.stdout.readline()
            put("second", ago_ms=-1)
            second = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, said = process.communicate()
        finally:
            process.kill()

    assert [line.split()[1:] for line in (first, second)] == [["worker", "first"], ["worker", "second"]]
    assert (rest, process.returncode) == ("", 130)
    assert "Traceback" not in said
