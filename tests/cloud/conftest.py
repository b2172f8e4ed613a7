"""An emulated AWS for each process of the tests that needs one."""

import asyncio
from collections.abc import Iterator

import boto3
import pytest

from nanogrid.cloud.emulator import EmulatedAws, open_emulator


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedAws]:
    emulator = open_emulator(tmp_path_factory.mktemp("aws"))
    with asyncio.Runner() as runner:
        yield runner.run(emulator.__aenter__())
        runner.run(emulator.__aexit__(None, None, None))


@pytest.fixture
def boto(aws: EmulatedAws) -> boto3.Session:
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=aws.region)
