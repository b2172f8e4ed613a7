"""Sandboxes without processes: they keep the ports' promises, and fail, die and dawdle when a test says so."""

import asyncio
from collections import deque

from nanogrid.errors import SandboxBroken
from nanogrid.model import Function, Network, RunError
from nanogrid.ports import Invocation, LogSink, Outlet, Reply, Sandbox, SandboxDriver


class FakeSandbox(Sandbox):
    """Alive until it is killed or `die`s."""

    def __init__(self, driver: "FakeDriver", kind: tuple[str, Network]) -> None:
        self.kind = kind
        self.function: Function | None = None
        self.alive = True
        self.killed = False
        self.mb = driver.mb
        self._driver = driver

    async def load(self, function: Function) -> RunError | None:
        assert self.function is None, "loaded twice"
        self.function = function
        await self._driver.loading()
        if not self.alive:
            raise SandboxBroken("the sandbox was killed while it imported.")
        if self._driver.load_results:
            result = self._driver.load_results.popleft()
            if isinstance(result, Exception):
                raise result
            self.alive = result is None
            return result
        return None

    async def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Reply:
        return Reply(output=invocation.input)

    async def kill(self) -> None:
        self.alive = False
        await self._driver.killing()
        self.killed = True

    def die(self) -> None:
        self.alive = False

    @property
    def reusable(self) -> bool:
        return self.alive

    @property
    def memory_mb(self) -> float:
        return self.mb if self.alive else 0.0


class FakeDriver(SandboxDriver):
    """Makes fake sandboxes. While a gate is closed, whoever creates, loads or kills waits at it."""

    def __init__(self, *, mb: float = 10.0) -> None:
        self.made: list[FakeSandbox] = []
        self.mb = mb
        self.load_results: deque[RunError | Exception | None] = deque()
        self.create_errors: deque[Exception | None] = deque()
        self.creating_now = 0
        self.most_creating = 0
        self.gates = {name: asyncio.Event() for name in ("create", "load", "kill")}
        for gate in self.gates.values():
            gate.set()

    async def start(self) -> None:
        pass

    async def create(self, runtime: str, network: Network) -> Sandbox:
        self.creating_now += 1
        self.most_creating = max(self.most_creating, self.creating_now)
        try:
            await self.gates["create"].wait()
            await asyncio.sleep(0)
        finally:
            self.creating_now -= 1
        if self.create_errors and (error := self.create_errors.popleft()) is not None:
            raise error
        sandbox = FakeSandbox(self, (runtime, network))
        self.made.append(sandbox)
        return sandbox

    async def loading(self) -> None:
        await self.gates["load"].wait()
        await asyncio.sleep(0)

    async def killing(self) -> None:
        await self.gates["kill"].wait()
        await asyncio.sleep(0)

    def why_not(self, network: Network) -> str:
        return ""

    def runtimes(self) -> list[str]:
        return ["python3.11", "nodejs"]

    async def close(self) -> None:
        pass

    @property
    def living(self) -> list[FakeSandbox]:
        return [sandbox for sandbox in self.made if not sandbox.killed]
