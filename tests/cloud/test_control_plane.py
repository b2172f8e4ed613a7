"""The deployed API for real: through API Gateway and the Lambdas' own archive to the stores, the queue and Redis."""

import asyncio
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from msgspec import Raw, structs

from aws_services import Redis
from lambda_events import event
from lambda_runtime import lambda_function
from nanogrid.backends.aws import AwsBackend, AwsSettings, open_aws
from nanogrid.client import bundle
from nanogrid.client.asynchronous import AsyncClient
from nanogrid.clock import Clock
from nanogrid.cloud.control_plane.entry import Entry
from nanogrid.cloud.deployment.account import Account
from nanogrid.cloud.deployment.artifacts import lambda_archive
from nanogrid.cloud.deployment.deploy import Deployed, Deployment, Wanted
from nanogrid.cloud.deployment.distributions import Target, this_python
from nanogrid.cloud.emulator import EmulatedAws, open_emulator
from nanogrid.errors import ConfigError
from nanogrid.model import Outcome, RunStatus
from nanogrid.scheduler import Shelf
from stack_template import properties

HELLO = {"name": "hello", "runtime": "python3.11", "source": "def handler(event, context):\n    return event\n"}
#: The largest request that AWS hands to a Lambda.
LAMBDA_BYTES = 6_291_456
TARGET = Target(python=this_python())


@dataclass(frozen=True)
class Cloud:
    """A deployed grid without workers."""

    aws: EmulatedAws
    deployed: Deployed
    #: What its Lambdas are told.
    environment: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.deployed.token}"}

    @property
    def url(self) -> str:
        """The API under a path, where AWS has a name for it."""
        return f"{self.aws.endpoint}/_aws/execute-api/{self._api}/$default"

    @property
    def _api(self) -> str:
        return self.deployed.url.removeprefix("https://").partition(".")[0]

    def client(self) -> httpx.AsyncClient:
        """Speaks to the API through the emulated API Gateway."""
        headers = self.headers | {"Host": f"{self._api}.execute-api.localhost"}
        return httpx.AsyncClient(base_url=self.aws.endpoint, headers=headers, timeout=60)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[AwsBackend]:
        """Somebody who ends every run at once with its input, for as long as the context lasts."""
        environ = self.environment | self.aws.environment
        async with open_aws(AwsSettings.from_environment(environ), Clock(), environ=environ) as backend:
            stop = asyncio.Event()
            work = asyncio.create_task(_work(backend, stop))
            try:
                yield backend
            finally:
                # Not cancelled: the emulator would give the next task to whoever is not there any more.
                stop.set()
                await work


async def _work(backend: AwsBackend, stop: asyncio.Event) -> None:
    while not stop.is_set():
        for lease in await backend.task_queue.receive(limit=1, wait_s=1):
            task = lease.task
            await backend.run_store.start(task.run_id, lease.attempt)
            outcome = Outcome(status=RunStatus.SUCCEEDED, output=Raw(bytes(task.input)))
            await backend.result_bus.publish(await backend.run_store.finish(task.run_id, lease.attempt, outcome))
            await backend.task_queue.ack(lease)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    folder = tmp_path_factory.mktemp("cloud")
    redis = Redis(folder)
    redis.start()
    with asyncio.Runner() as runner:
        emulator = open_emulator(folder, redis=("127.0.0.1", redis.port))
        aws = runner.run(emulator.__aenter__())
        try:
            yield _deployed(aws)
        finally:
            runner.run(emulator.__aexit__(None, None, None))
            redis.stop()


def _deployed(aws: EmulatedAws) -> Cloud:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=aws.region)
    account = Account(session, aws.region, endpoint_url=aws.endpoint)
    deployment, wanted = Deployment(account, lambda _: None), Wanted(target=TARGET)
    prepared = deployment.prepare(wanted)
    for _ in deployment.carry_out(prepared, wanted):
        pass
    deployed = deployment.finish(prepared)
    told = account.client("lambda").get_function_configuration(FunctionName="nanogrid-dispatcher")
    return Cloud(aws, deployed, told["Environment"]["Variables"])


async def test_a_function_is_deployed_run_read_and_deleted_through_api_gateway(cloud: Cloud):
    async with cloud.client() as client, cloud.working():
        made = await client.post("/functions", json=HELLO)
        run = await client.post("/run", json={"functionId": "hello", "input": {"n": "grüße"}})
        read = await client.get(f"/runs/{run.json()['runId']}", params={"waitMs": 1000})
        listed = await client.get("/runs", params={"functionId": "hello", "status": "succeeded"})
        lines = await client.get("/functions/hello/logs", params={"follow": "true"})
        deleted = await client.delete("/functions/hello")
        gone = await client.get("/functions/hello")

    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/functions/{made.json()['functionId']}"
    assert (run.status_code, run.json()["status"], run.json()["output"]) == (200, "succeeded", {"n": "grüße"})
    assert read.json()["input"] == {"n": "grüße"}
    assert [item["runId"] for item in listed.json()["items"]] == [run.json()["runId"]]
    assert "cannot be followed" in lines.json()["note"]
    assert deleted.status_code == 204
    assert (gone.status_code, gone.json()["code"]) == (404, "function_not_found")


class _AsApiGateway(httpx.AsyncHTTPTransport):
    """Refuses what a Lambda does not take; the emulated one takes anything."""

    def __init__(self, api: str) -> None:
        super().__init__()
        self._api = api
        self.sent: list[tuple[str, int]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        size = int(request.headers.get("content-length", "0"))
        to_api = str(request.url).startswith(self._api)
        self.sent.append(("API" if to_api else "bucket", size))
        if to_api and size > LAMBDA_BYTES:
            return httpx.Response(413, json={"message": "Request Too Long"})
        return await super().handle_async_request(request)


async def test_an_archive_that_no_lambda_takes_is_deployed_and_read_back(cloud: Cloud):
    noise = os.urandom(20_000_000)
    files = {"main.py": bundle.Entry(HELLO["source"].encode()), "noise.bin": bundle.Entry(noise)}
    archive = bundle.pack(files)
    transport = _AsApiGateway(cloud.url)
    async with AsyncClient(cloud.url, cloud.deployed.token, environ={}, transport=transport) as client, cloud.working():
        first = await client.deploy(archive, name="twenty", runtime="python3.11")
        second = await client.deploy(archive, name="twenty", memory_mb=256)
        output = await client.run("twenty", {"n": 1})
        code = await client.code("twenty")
        await client.delete("twenty")

    with zipfile.ZipFile(BytesIO(code)) as kept:
        assert kept.read("noise.bin") == noise
    assert (first.version, second.version, second.code_sha256) == (1, 2, first.code_sha256)
    assert first.code_size > 20_000_000
    assert output == {"n": 1}
    assert [place for place, size in transport.sent if size > LAMBDA_BYTES] == ["bucket", "bucket"]


async def test_the_bucket_takes_no_other_bytes_than_were_announced(cloud: Cloud):
    archive = bundle.pack({"main.py": bundle.Entry(b"announced")})
    asked = {"sha256": hashlib.sha256(archive).hexdigest(), "size": len(archive)}
    async with cloud.client() as client, httpx.AsyncClient() as anybody:
        place = (await client.post("/uploads", json=asked)).json()
        same_size = await anybody.put(place["address"], content=b"x" * len(archive), headers=place["headers"])
        longer = await anybody.put(place["address"], content=archive + b"x", headers=place["headers"])
        unchecked = await anybody.put(place["address"], content=archive)
        made = await client.post("/functions", json={"name": "no", "runtime": "python3.11", "upload": asked["sha256"]})

    assert {answer.status_code for answer in (same_size, longer, unchecked)} <= {400, 403}
    assert (made.status_code, made.json()["code"]) == (422, "upload_not_found")


async def test_a_key_that_is_revoked_at_one_lambda_opens_the_other_no_more(cloud: Cloud):
    async with cloud.client() as client:
        key = (await client.post("/keys", json={"name": "ci", "scopes": ["run", "read"]})).json()
        headers = {"Authorization": f"Bearer {key['token']}"}
        while (opened := await client.get("/runs", headers=headers)).status_code == 401:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        revoked = await client.delete(f"/keys/{key['keyId']}")
        while (refused := await client.get("/runs", headers=headers)).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    assert (opened.status_code, revoked.status_code, refused.status_code) == (200, 204, 401)


async def test_a_secret_is_sealed_by_kms_listed_sealed_anew_and_never_shown(cloud: Cloud):
    async with cloud.client() as client:
        kept = await client.put("/secrets/payment-key", json={"value": "sk_live_0123456789"})
        used = await client.post("/functions", json=HELLO | {"name": "pays", "secrets": {"KEY": "payment-key"}})
        rotated = await client.post("/vault/rotate")
        listed = await client.get("/secrets")
        deleted = await client.delete("/secrets/payment-key")

    assert kept.status_code == 200, kept.text
    assert used.json()["secrets"] == {"KEY": "payment-key"}
    assert rotated.json() == {"secrets": 1}
    assert listed.json()["items"] == [kept.json()]
    assert "sk_live" not in kept.text + used.text + rotated.text + listed.text
    assert deleted.status_code == 204


async def test_a_run_that_nobody_takes_in_time_is_a_202_with_its_address(cloud: Cloud):
    async with cloud.client() as client:
        await client.post("/functions", json=HELLO | {"name": "waits"})
        run = await client.post("/run", json={"functionId": "waits", "input": 1}, headers={"prefer": "wait=1"})
        async with cloud.working():
            ended = await client.get(run.headers["location"], params={"waitMs": 20_000})

    assert run.status_code == 202
    assert run.json()["status"] == "queued"
    assert (ended.json()["status"], ended.json()["output"]) == ("succeeded", 1)


async def test_an_output_that_no_lambda_can_answer_with_is_found_elsewhere(cloud: Cloud):
    # It comes in once and would go out twice, as input and as output.
    large = "x" * 3_200_000
    async with cloud.client() as client, cloud.working():
        await client.post("/functions", json=HELLO | {"name": "large"})
        run = await client.post("/run", json={"functionId": "large", "input": large})
        read = await client.get(f"/runs/{run.json()['runId']}")
    async with httpx.AsyncClient() as anybody:
        whole = (await anybody.get(read.headers["location"])).json()

    assert (run.status_code, read.status_code) == (200, 303)
    assert whole["output"] == whole["input"] == large


async def test_who_has_no_token_is_told_so_and_what_is_not_there_is_a_problem_of_ours(cloud: Cloud):
    async with cloud.client() as client:
        nobody = await client.get("/functions", headers={"Authorization": "Bearer wrong"})
        nowhere = await client.get("/nowhere")
        method = await client.patch("/runs")

    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized")
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert (nowhere.status_code, nowhere.headers["content-type"]) == (404, "application/problem+json")
    assert (method.status_code, method.headers["allow"]) == (405, "GET")


async def test_the_console_the_documentation_and_the_description_are_served(cloud: Cloud):
    async with cloud.client() as client:
        answers = [
            await client.get(path) for path in ("/", "/console/app.js", "/docs", "/openapi.json", "/health/live")
        ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert "text/javascript" in answers[1].headers["content-type"]
    assert answers[3].json()["openapi"].startswith("3.1")


async def test_the_metrics_tell_the_backlog(cloud: Cloud):
    async with cloud.client() as client:
        text = (await client.get("/metrics")).text

    assert "# TYPE nanogrid_backlog gauge\nnanogrid_backlog " in text


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task") / "code"
    with zipfile.ZipFile(BytesIO(lambda_archive(TARGET).content)) as archive:
        archive.extractall(folder)
    return folder


async def test_lambdas_own_runtime_runs_both_handlers_out_of_the_archive_alone(cloud: Cloud, code: Path):
    environment = cloud.environment | cloud.aws.environment
    body = json.dumps(HELLO | {"name": "alone"}).encode()
    headers = {"authorization": f"Bearer {cloud.deployed.token}", "content-type": "application/json"}
    run = json.dumps({"functionId": "alone", "input": [1, 2]}).encode()
    entry = "nanogrid.cloud.control_plane.entry"
    async with (
        lambda_function(f"{entry}.resource_manager", code, environment) as resource_manager,
        lambda_function(f"{entry}.dispatcher", code, environment) as dispatcher,
        cloud.working(),
    ):
        made = await resource_manager.invoke(event("POST", "/functions", headers=headers, body=body))
        first = await dispatcher.invoke(event("POST", "/run", headers=headers, body=run))
        second = await dispatcher.invoke(event("POST", "/run", headers=headers, body=run))

    assert made["statusCode"] == 201, made
    assert [one["statusCode"] for one in (first, second)] == [200, 200]
    assert json.loads(second["body"])["output"] == [1, 2]


def test_a_lambda_without_its_settings_answers_and_tells_the_log_why(capsys: pytest.CaptureFixture[str]):
    entry = Entry({})
    answer: dict[str, Any] = entry(event("GET", "/functions"), None)
    entry.close()

    line = json.loads(capsys.readouterr().out)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["requestId"] == line["request_id"]
    assert (line["event"], line["level"]) == ("control_plane.not_opened", "error")
    assert "NANOGRID_CODE_BUCKET is not set" in line["exception"]


class EarlierClock(Clock):
    """Some minutes ago."""

    def now(self) -> datetime:
        return super().now() - timedelta(minutes=10)


async def test_a_tick_makes_one_run_of_what_is_due_however_often_it_comes(cloud: Cloud):
    tick = properties("ScheduleTick")["Targets"][0]["Input"]
    invoke = boto3.client(
        "lambda",
        endpoint_url=cloud.aws.endpoint,
        region_name=cloud.aws.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).invoke
    async with cloud.client() as client, cloud.working() as backend:
        await client.post("/functions", json=HELLO | {"name": "nightly"})
        made = await client.post("/schedules", json={"function": "nightly", "expression": "@daily"})
        # Made by the API, it is due at night: that it is due now needs a clock that was earlier.
        shelf, seen = (
            Shelf(backend.record_store, EarlierClock()),
            await Shelf(backend.record_store, Clock()).get("default", "nightly"),
        )
        assert seen is not None
        due = (EarlierClock().now() + timedelta(minutes=1)).replace(second=0, microsecond=0)
        await shelf.put(structs.replace(seen.schedule, next_at=due), seen)
        answers = [await asyncio.to_thread(invoke, FunctionName="nanogrid-dispatcher", Payload=tick) for _ in range(3)]
        told = (await client.get("/schedules/nightly")).json()
        run = (await client.get(f"/runs/{told['last']['runId']}", params={"waitMs": 20_000})).json()
        listed = (await client.get("/runs", params={"functionId": "nightly"})).json()["items"]

    assert made.status_code == 201, made.text
    assert [json.loads(answer["Payload"].read()) for answer in answers] == [
        {"nextAt": told["nextAt"].replace("Z", "+00:00")}
    ] * 3
    assert run["trigger"] == {"schedule": "nightly", "dueAt": due.isoformat().replace("+00:00", "Z")}
    assert run["output"] == {"schedule": "nightly", "dueAt": run["trigger"]["dueAt"]}
    assert [item["runId"] for item in listed] == [fire["runId"] for fire in told["fires"]]


def test_a_tick_that_cannot_be_attended_to_is_an_error_that_lambda_counts():
    entry = Entry({})
    with pytest.raises(ConfigError, match="NANOGRID_CODE_BUCKET is not set"):
        entry({"tick": "schedules"}, None)
    entry.close()
