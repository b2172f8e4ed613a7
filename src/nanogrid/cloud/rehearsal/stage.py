"""Sets the stage: Redis, the emulated AWS, the stack on it, and the worker group."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from nanogrid.client.asynchronous import AsyncClient
from nanogrid.clock import Clock
from nanogrid.cloud.emulator import EmulatedAws, open_emulator
from nanogrid.cloud.loopback import free_port
from nanogrid.cloud.rehearsal.front import open_front
from nanogrid.cloud.rehearsal.group import Group, Happening
from nanogrid.cloud.rehearsal.redis_server import RedisServer, open_redis
from nanogrid.cloud.rehearsal.report import Plan
from nanogrid.cloud.rehearsal.sandbox_choice import choose_sandbox
from nanogrid.cloud.rehearsal.stack import Deployed, deploy_stack
from nanogrid.cloud.rehearsal.watcher import Watcher
from nanogrid.cloud.rehearsal.workers import WorkerProcesses
from nanogrid.errors import PlatformError
from nanogrid.model import Depth

_STEP_S = 0.1
#: How long the first worker may take until it takes tasks, in seconds.
_PATIENCE_S = 60.0
#: How long an instance is protected after its last task, in seconds; half a minute on AWS.
_IDLE_S = 1.0


class Stage:
    """Everything that a rehearsal plays with."""

    def __init__(
        self,
        aws: EmulatedAws,
        redis: RedisServer,
        deployed: Deployed,
        group: Group,
        workers: WorkerProcesses,
        *,
        sandbox: str,
        runtime: str,
    ) -> None:
        """See `open_stage`."""
        self.aws = aws
        self.redis = redis
        self.deployed = deployed
        self.group = group
        self.workers = workers
        self.sandbox = sandbox
        self.runtime = runtime
        self._http = httpx.AsyncClient(base_url=aws.endpoint, trust_env=False, timeout=30)

    def client(self) -> AsyncClient:
        """A client of the API, with the token of the deployment."""
        return AsyncClient(self.deployed.url, self.deployed.token, environ={})

    async def depth(self) -> Depth:
        """What the queue says of itself, as the alarms see it."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self._http.post(
            "/",
            content=json.dumps({"QueueUrl": self.deployed.queue_url, "AttributeNames": names}),
            headers={"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.GetQueueAttributes"},
        )
        visible, in_flight = (int(answer.raise_for_status().json()["Attributes"][name]) for name in names)
        return Depth(visible=visible, in_flight=in_flight)

    async def get(self, path: str) -> None:
        """Ask the API, as plainly as can be. Raises `httpx.HTTPError`."""
        (await self._http.get(self.deployed.url + path)).raise_for_status()

    async def post(self, path: str, body: Mapping[str, object]) -> None:
        """Likewise, with a body and the token."""
        headers = {"authorization": f"Bearer {self.deployed.token}"}
        (await self._http.post(self.deployed.url + path, json=body, headers=headers)).raise_for_status()

    def cut_off(self) -> int:
        """Tasks that workers gave back unfinished because of a scale-in."""
        drained = (event for name in self.group.members for event in self.workers.events(name, "worker.drained"))
        return sum(int(event["given_back"]) for event in drained if event["reason"] == "scale_in")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


@asynccontextmanager
async def open_stage(
    plan: Plan, watcher: Watcher, folder: Path, clock: Clock, tell: Callable[[Happening], None]
) -> AsyncIterator[Stage]:
    """The grid, deployed, with one worker that takes tasks. Raises `PlatformError` where that is not to be had here.

    `tell` hears of every event in the life of an instance.
    """
    async with AsyncExitStack() as stack:
        watcher.step("start Redis and the emulated AWS")
        redis = await stack.enter_async_context(open_redis(folder, free_port()))
        aws = await stack.enter_async_context(open_emulator(folder, redis=("127.0.0.1", redis.port)))
        watcher.step("deploy the stack")
        sandbox, runtimes = await choose_sandbox(plan.sandbox)
        deployed = await deploy_stack(aws, runtimes=runtimes, lease_s=plan.lease_s)
        watcher.step(f"{deployed.resources} resources stand; start the first worker")
        port = free_port()
        workers = WorkerProcesses(_environment(aws, deployed, plan, sandbox), folder, f"http://127.0.0.1:{port}")
        group = Group(workers.launch, clock, tell)
        await stack.enter_async_context(open_front(group, aws.region, port=port))
        await _run_besides(stack, group)
        stage = Stage(aws, redis, deployed, group, workers, sandbox=sandbox, runtime=runtimes[0])
        stack.push_async_callback(stage.close)
        await _first_worker(stage)
        yield stage


def _environment(aws: EmulatedAws, deployed: Deployed, plan: Plan, sandbox: str) -> dict[str, str]:
    """What a worker is told, as the launch template tells it on AWS; small, and quick to be scaled in."""
    return {
        **aws.environment,
        **deployed.worker_environment,
        "NANOGRID_SANDBOX": sandbox,
        "NANOGRID_MAX_RUNNING": str(plan.slots),
        "NANOGRID_LEASE_S": str(plan.lease_s),
        "NANOGRID_SPARES": "1",
        "NANOGRID_MEMORY_BUDGET_MB": "2048",
        "NANOGRID_HEALTH_PORT": "0",
        "NANOGRID_IDLE_S": str(_IDLE_S),
    }


async def _run_besides(stack: AsyncExitStack, group: Group) -> None:
    """Run the group until the stage is struck."""
    running = asyncio.create_task(group.run())

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)


async def _first_worker(stage: Stage) -> None:
    """Return when it takes tasks."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not any(list(stage.workers.events(name, "worker.started")) for name in stage.group.members):
                if any(member.ended.done() for member in stage.group.members.values()):
                    raise PlatformError("the first worker ended.", hint=_words(stage))
                await asyncio.sleep(_STEP_S)
    except TimeoutError as exc:
        raise PlatformError(f"the first worker took no tasks in {_PATIENCE_S:.0f} s.", hint=_words(stage)) from exc


def _words(stage: Stage) -> str:
    return "It said: " + stage.workers.last_words(next(iter(stage.group.members)))
