"""Redis over TLS, as on AWS: a real server, whose certificate is checked, refused, renewed."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs

from aws_services import AwsServices, Redis, TurnedClock, missing
from nanogrid.backends.aws import AwsBackend, AwsSettings, open_aws
from nanogrid.model import RunStatus
from records import SUCCEEDED, some_run


class Authority:
    """Signs certificates for servers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.certificate = folder / "ca.crt"
        subject = ("-subj", f"/CN={folder.name}", "-days", "2")
        _openssl("req", "-x509", *_NEW_KEY, "-keyout", folder / "ca.key", "-out", self.certificate, *subject)

    def sign(self, names: str, *, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key of a server with these names."""
        request, key, certificate = (self.folder / name for name in ("server.csr", "server.key", "server.crt"))
        extension = self.folder / "names"
        extension.write_text(f"subjectAltName={names}\n")
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", "/CN=redis")
        by_this = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *by_this, "-days", days, "-extfile", extension, "-out", certificate)
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_HERE = "DNS:localhost,IP:127.0.0.1"


def _openssl(*arguments: object) -> None:
    command = ("openssl", *map(str, arguments))
    subprocess.run(command, check=True, capture_output=True)


class TlsRedis(Redis):
    """A Redis that speaks TLS only, with the certificate that it has when it starts."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path]) -> None:
        super().__init__(folder)
        self.certificate = certificate

    def _listening(self) -> list[str]:
        certificate, key = map(str, self.certificate)
        files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate]
        return ["--port", "0", "--tls-port", str(self.port), *files, "--tls-auth-clients", "no"]

    def commands(self) -> set[str]:
        """The commands that anybody has given it, this question aside."""
        ask = ["redis-cli", "--tls", "--insecure", "-p", str(self.port), "info", "commandstats"]
        said = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
        return set(re.findall(r"cmdstat_(\w+)", said)) - {"info"}

    def url_trusting(self, authority: Authority) -> str:
        """As NANOGRID_REDIS_URL; on AWS the authority is one that every system knows."""
        return f"rediss://127.0.0.1:{self.port}?ssl_ca_certs={authority.certificate}"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    for program in ("openssl", "redis-cli"):
        if shutil.which(program) is None:
            missing(program)
    return Authority(tmp_path / "authority")


@pytest.fixture
def redis(tmp_path: Path, authority: Authority) -> Iterator[TlsRedis]:
    redis = TlsRedis(tmp_path, authority.sign(_HERE))
    redis.start()
    yield redis
    redis.stop()


@pytest.fixture
def settings(aws_services: AwsServices) -> Iterator[AwsSettings]:
    with aws_services.stack() as settings:
        yield settings


@pytest.fixture
def opened(aws_services: AwsServices, settings: AwsSettings):
    @asynccontextmanager
    async def open_backend(redis_url: str) -> AsyncIterator[AwsBackend]:
        there = structs.replace(settings, redis_url=redis_url)
        async with open_aws(there, TurnedClock(aws_services.now), environ=aws_services.environ) as backend:
            yield backend

    return open_backend


async def test_an_outcome_wakes_who_waits_in_another_process_over_tls(opened, redis, authority):
    """The run is in no store: only Redis can have told of it."""
    url, run = redis.url_trusting(authority), structs.replace(some_run(), status=RunStatus.SUCCEEDED)
    async with opened(url) as dispatcher, opened(url) as worker, dispatcher.result_bus.listen(run.run_id) as listener:
        waiting = asyncio.create_task(listener.wait(60))
        await worker.result_bus.publish(run)

        assert await waiting == run


async def test_cancellations_are_heard_again_after_a_restart_with_a_renewed_certificate(opened, redis, authority):
    cancelled = structs.replace(some_run(), status=RunStatus.CANCELLED)
    async with opened(redis.url_trusting(authority)) as backend, backend.result_bus.cancellations() as run_ids:
        redis.stop()
        redis.certificate = authority.sign(_HERE)
        redis.start()
        hearing = asyncio.create_task(anext(run_ids))
        while not hearing.done():
            await backend.result_bus.publish(cancelled)
            await asyncio.wait([hearing], timeout=0.05)

        assert hearing.result() == cancelled.run_id


@pytest.mark.parametrize("wrong", ["of an authority that nobody knows", "for another name", "that has expired"])
async def test_a_wrong_certificate_is_refused_and_the_store_is_asked_instead(opened, redis, authority, tmp_path, wrong):
    redis.stop()
    redis.certificate = {
        "of an authority that nobody knows": lambda: Authority(tmp_path / "stranger").sign(_HERE),
        "for another name": lambda: authority.sign("DNS:another.test,IP:192.0.2.1"),
        "that has expired": lambda: authority.sign(_HERE, days=-1),
    }[wrong]()
    redis.start()
    async with opened(redis.url_trusting(authority)) as backend:
        run = await backend.run_store.accept(some_run(), durable=True)
        await backend.run_store.start(run.run_id, 1)
        async with backend.result_bus.listen(run.run_id) as listener:
            waiting = asyncio.create_task(listener.wait(60))
            ended = await backend.run_store.finish(run.run_id, 1, SUCCEEDED)
            await backend.result_bus.publish(ended)

            assert await waiting == ended
            assert not backend.result_bus.up
    assert redis.commands() == set()


async def test_a_client_without_tls_gets_nowhere(opened, redis):
    async with opened(redis.url) as backend:
        run = structs.replace(some_run(), status=RunStatus.SUCCEEDED)
        async with backend.result_bus.listen(run.run_id) as listener:
            await backend.result_bus.publish(run)

            assert await listener.wait(0.2) is None
            assert not backend.result_bus.up
