"""The client of AWS against a server that answers as it is told."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
import uvloop

from clocks import ManualClock
from nanogrid.backends.aws.client import AwsClient, JsonService
from nanogrid.backends.aws.credentials import CredentialSource
from nanogrid.backends.aws.faults import AwsError
from nanogrid.backends.aws.http_client import HttpClient
from nanogrid.clock import Clock
from nanogrid.errors import StoreUnavailable
from scripted_server import scripted_server

FROM_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
ROLE = "/latest/meta-data/iam/security-credentials/"


class Impatient(Clock):
    """Pauses are noted and not made."""

    def __init__(self):
        self.pauses = []

    async def sleep(self, seconds):
        self.pauses.append(seconds)


@asynccontextmanager
async def called(script, *, clock=None, environ=FROM_ENVIRONMENT):
    clock = clock or Impatient()
    async with scripted_server(script) as server:
        http = HttpClient()
        try:
            source = CredentialSource(environ, http, clock)
            client = AwsClient(http, source, clock, region="us-east-1")
            yield JsonService(client.service("sqs", server.url), "AmazonSQS"), server
        finally:
            http.close()


def refused(kind, status=400):
    return status, msgspec.json.encode({"__type": f"com.amazonaws#{kind}", "message": "no"})


def test_an_answer_comes_back_under_either_event_loop():
    async def ask():
        async with called(lambda _: (200, b'{"a":1}')) as (service, server):
            answers = [await service.call("Do", b"{}") for _ in range(3)]
            return answers, server.asked[0].headers["x-amz-target"]

    for run in (asyncio.run, uvloop.run):
        assert run(ask()) == ([b'{"a":1}'] * 3, "AmazonSQS.Do")


@pytest.mark.parametrize(
    "passing",
    [refused("ThrottlingException"), refused("Anything", 500), (503, b"<html>"), None],
    ids=["throttled", "broken", "no json", "closed"],
)
async def test_what_passes_is_tried_again_after_a_pause(passing):
    clock, answers = Impatient(), iter([passing, passing, (200, b"{}")])
    async with called(lambda _: next(answers), clock=clock) as (service, server):
        answer = await service.call("Do", b"{}")

    assert (answer, len(server.asked)) == (b"{}", 3)
    assert len(clock.pauses) == 2
    assert all(0 <= pause <= 0.1 for pause in clock.pauses)


async def test_what_does_not_pass_is_not_tried_again():
    async with called(lambda _: refused("AccessDenied")) as (service, server):
        with pytest.raises(AwsError, match="AccessDenied"):
            await service.call("Do", b"{}")

    assert len(server.asked) == 1


async def test_what_never_passes_is_given_up():
    async with called(lambda _: refused("ThrottlingException")) as (service, server):
        with pytest.raises(StoreUnavailable, match="ThrottlingException"):
            await service.call("Do", b"{}")

    assert len(server.asked) == 5


async def test_a_connection_that_was_closed_while_idle_costs_no_pause():
    clock, answers = Impatient(), iter([(200, b"1"), None, (200, b"2")])
    async with called(lambda _: next(answers), clock=clock) as (service, _):
        answered = [await service.call("Do", b"{}") for _ in range(2)]

    assert (answered, clock.pauses) == ([b"1", b"2"], [])


async def test_nobody_there_is_said_so():
    async with called(lambda _: (200, b"{}")) as (_, server):
        pass
    http, clock = HttpClient(), Impatient()
    client = AwsClient(http, CredentialSource(FROM_ENVIRONMENT, http, clock), clock, region="us-east-1")

    with pytest.raises(StoreUnavailable, match="no answer from 127"):
        await JsonService(client.service("sqs", server.url), "AmazonSQS").call("Do", b"{}")


# Credentials


def issued(number, clock, lasts):
    expires = (clock.now() + lasts).isoformat().replace("+00:00", "Z")
    names = {"AccessKeyId": f"key{number}", "SecretAccessKey": "s", "Token": f"token{number}", "Expiration": expires}
    return 200, msgspec.json.encode(names)


async def test_an_instance_s_credentials_take_a_token_and_are_renewed_before_they_end():
    clock, numbers = ManualClock(), iter(range(10))

    def metadata(asked):
        if asked.method == "PUT":
            return 200, b"imds-token"
        if asked.headers.get("x-aws-ec2-metadata-token") != "imds-token":
            return 401, b""
        return (200, b"the-role") if asked.path == ROLE else issued(next(numbers), clock, timedelta(hours=1))

    async with scripted_server(metadata) as server:
        http = HttpClient()
        source = CredentialSource({"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}, http, clock)
        first = await asyncio.gather(*(source.get() for _ in range(20)))
        await clock.advance(49 * 60)
        kept = await source.get()
        await clock.advance(2 * 60)
        renewed = await source.get()
        http.close()

    assert {one.access_key for one in first} == {"key0"}
    assert (kept.token, renewed.token) == ("token0", "token1")


async def test_credentials_that_cannot_be_renewed_are_used_while_they_hold():
    clock, answers = ManualClock(), []
    async with scripted_server(lambda _: answers.pop() if answers else (500, b"")) as server:
        http = HttpClient()
        environ = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
        }
        source = CredentialSource(environ, http, clock)
        answers.append(issued(0, clock, timedelta(minutes=30)))
        first = await source.get()
        await clock.advance(25 * 60)
        still = await source.get()
        await clock.advance(6 * 60)
        with pytest.raises(StoreUnavailable, match="no AWS credentials"):
            await source.get()
        http.close()

    assert (first, server.asked[0].headers["authorization"]) == (still, "t")


async def test_refused_credentials_are_asked_for_anew():
    clock, numbers = ManualClock(), iter(range(10))

    def script(asked):
        if asked.path == "/creds":
            return issued(next(numbers), clock, timedelta(hours=1))
        return refused("ExpiredToken") if "key0" in asked.headers["authorization"] else (200, b"{}")

    async with scripted_server(script) as creds:
        environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{creds.url}/creds"}
        async with called(script, environ=environ) as (service, server):
            await service.call("Do", b"{}")

    assert ["key1" in asked.headers["authorization"] for asked in server.asked] == [False, True]
