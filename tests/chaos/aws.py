"""A grid on an emulated AWS with a real Redis and real worker processes, and everything that can happen to it."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import botocore.session

from aws_services import AwsServices, Redis
from chaos.aws_front import TOKEN, front_door
from chaos.aws_shim import AwsShim
from chaos.aws_worker import WorkerProcess
from chaos.false_clock import FAKETIME, drifting
from chaos.history import History
from chaos.network import Network
from chaos.proxy import Proxy
from chaos.system import Harm, System
from nanogrid.backends.aws import AwsSettings
from nanogrid.cloud.emulator import open_emulator
from nanogrid.sandbox.processes import family

LEASE_S = 4.0
WORKERS, SLOTS = 4, 2


class AwsSystem(System):
    """Workers, Redis behind a proxy, AWS behind a shim, and a front door of its own."""

    backend = "aws"
    token = TOKEN
    #: The emulator answers a hundred calls a second on an idle machine, and everything is such a call.
    clients, most_open = 4, 24
    answer_s = 30.0

    def __init__(
        self, folder: Path, url: str, workers: list[WorkerProcess], redis: Redis, proxy: Proxy, shim: AwsShim
    ) -> None:
        self.history = History()
        self._folder = folder
        self._url = url
        self._workers = workers
        self._redis = redis
        self._network = Network(proxy, "Redis")
        self._shim = shim

    @property
    def url(self) -> str:
        return self._url

    def harms(self) -> dict[str, Harm]:
        return {
            "kill-worker": self._kill_worker,
            "stop-worker": self._stop_worker,
            "freeze-worker": self._freeze_worker,
            "kill-sandbox": self._kill_sandbox,
            "restart-redis": self._restart_redis,
            "flush-redis": self._flush_redis,
            **self._network.harms("redis"),
            "throttle-sqs": self._throttle_sqs,
            "double-sqs": self._double_sqs,
            "throttle-dynamo": self._throttle_dynamo,
            "lose-answers": self._lose_answers,
            **({"skew-worker": self._skew_worker} if FAKETIME.exists() else {}),
        }

    def _some_worker(self, strength: float) -> WorkerProcess:
        return self._workers[int(strength * len(self._workers)) % len(self._workers)]

    async def lose_worker_of(self, pid: int) -> None:
        """The worker dies in one of whose sandboxes that process is, and another is started."""
        for worker in self._workers:
            if pid in family(worker.pid):
                await worker.end(signal.SIGKILL)
                await worker.start()

    async def _kill_worker(self, strength: float) -> str:
        worker = self._some_worker(strength)
        pid = worker.pid
        await worker.end(signal.SIGKILL)
        await worker.start()
        return f"SIGKILL to the worker {pid}, another started"

    async def _stop_worker(self, strength: float) -> str:
        worker = self._some_worker(strength)
        pid = worker.pid
        await worker.end(signal.SIGTERM)
        await worker.start()
        return f"SIGTERM to the worker {pid}, another started"

    async def _freeze_worker(self, strength: float) -> str:
        worker, seconds = self._some_worker(strength), LEASE_S * (1.2 + strength / 2)
        worker.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        worker.send(signal.SIGCONT)
        return f"SIGSTOP to the worker {worker.pid} for {seconds:.1f} s; a lease lasts {LEASE_S} s"

    async def _skew_worker(self, strength: float) -> str:
        """It lives by that clock until another is given to it."""
        worker, rate = self._some_worker(strength), 0.9 if int(strength * 1000) % 2 else 1.1
        await worker.end(signal.SIGTERM)
        worker.live_by(drifting(self._folder / "clocks", rate))
        await worker.start()
        return f"the worker {worker.pid} started with clocks at {rate} times the speed"

    async def _kill_sandbox(self, strength: float) -> str:
        inside = family(self._some_worker(strength).pid)[1:] or [2**22 - 1]
        with contextlib.suppress(ProcessLookupError):
            os.kill(inside[-1], signal.SIGKILL)
        return f"SIGKILL to the process {inside[-1]} of a sandbox"

    async def _restart_redis(self, strength: float) -> str:
        await asyncio.to_thread(self._redis.stop)
        await asyncio.sleep(2 * strength)
        await asyncio.to_thread(self._redis.start)
        return f"Redis killed, started again {2 * strength:.1f} s later, empty"

    async def _flush_redis(self, strength: float) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._redis.port)
        writer.write(b"FLUSHALL\r\n")
        said = await reader.readline()
        writer.close()
        return f"FLUSHALL: {said.decode().strip()}"

    async def _throttle_sqs(self, strength: float) -> str:
        return await self._throttle("AmazonSQS", 0.3 + strength * 0.6)

    async def _throttle_dynamo(self, strength: float) -> str:
        return await self._throttle("DynamoDB", 0.3 + strength * 0.6)

    async def _throttle(self, service: str, share: float) -> str:
        self._shim.throttled[service] = share
        await asyncio.sleep(2)
        self._shim.heal()
        return f"{share:.0%} of the calls to {service} throttled for 2 s"

    async def _lose_answers(self, strength: float) -> str:
        # Each call is made up to five times: with more lost, what was refused might be there all the same.
        self._shim.unanswered = 0.02 + strength * 0.08
        said = f"{self._shim.unanswered:.0%} of AWS' answers lost for 3 s, the calls carried out"
        await asyncio.sleep(3)
        self._shim.heal()
        return said

    async def _double_sqs(self, strength: float) -> str:
        self._shim.doubled = 0.3 + strength * 0.7
        said = f"{self._shim.doubled:.0%} of the messages delivered twice, some late, for 3 s"
        await asyncio.sleep(3)
        self._shim.heal()
        return said


@asynccontextmanager
async def aws_system(sandbox: str) -> AsyncIterator[AwsSystem]:
    """Everything started: the emulated AWS, Redis, the front door, and workers with that kind of sandbox."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - before anything runs
        redis = Redis(folder)
        redis.start()
        try:
            async with open_emulator(folder, redis=("127.0.0.1", redis.port)) as emulated:
                services = AwsServices(aws=emulated, redis=redis, now=folder, session=botocore.session.Session())
                async with _started(services, folder, sandbox) as system:
                    yield system
        finally:
            redis.stop()


@asynccontextmanager
async def _started(services: AwsServices, folder: Path, sandbox: str) -> AsyncIterator[AwsSystem]:
    proxy = Proxy(lambda: ("127.0.0.1", services.redis.port))
    shim = AwsShim(services.aws.endpoint, seed=1)
    async with proxy.serving(), shim.serving():
        redis_url = f"redis://127.0.0.1:{proxy.port}"
        with services.stack(endpoint_url=shim.url, redis_url=redis_url, lease_s=LEASE_S) as settings:
            environment = services.environ | _variables(settings)
            async with (
                front_door(settings, services.environ | {"AWS_ENDPOINT_URL": shim.url}, folder / "front") as url,
                _at_work(folder, sandbox, environment) as workers,
            ):
                system = AwsSystem(folder, url, workers, services.redis, proxy, shim)
                system.sandbox = sandbox
                if sandbox == "process":
                    system.count_executions(folder)
                yield system


@asynccontextmanager
async def _at_work(folder: Path, sandbox: str, environment: dict[str, str]) -> AsyncIterator[list[WorkerProcess]]:
    workers = [WorkerProcess(folder / f"worker-{n}", sandbox, SLOTS, environment) for n in range(WORKERS)]
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        yield workers
    finally:
        await asyncio.gather(*(worker.end(signal.SIGKILL) for worker in workers), return_exceptions=True)


def _variables(settings: AwsSettings) -> dict[str, str]:
    return {
        "NANOGRID_CODE_BUCKET": settings.code_bucket,
        "NANOGRID_FUNCTIONS_TABLE": settings.functions_table,
        "NANOGRID_RUNS_TABLE": settings.runs_table,
        "NANOGRID_QUEUE_URL": settings.queue_url,
        "NANOGRID_DEAD_LETTER_QUEUE_URL": settings.dead_letter_queue_url,
        "NANOGRID_REDIS_URL": settings.redis_url,
        "NANOGRID_LEASE_S": str(settings.lease_s),
        "NANOGRID_HEALTH_PORT": "0",
        "NANOGRID_GRACE_S": "10",
        "AWS_ENDPOINT_URL": settings.endpoint_url,
    }
