"""A pool on a fake driver and a clock turned by hand."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator

from clocks import ManualClock
from fake_sandbox import FakeDriver
from nanogrid.model import Function
from nanogrid.observe import Metrics, make_log
from nanogrid.ports import Claim
from nanogrid.sandbox.pool import Pool


def function(name: str = "a", version: int = 1, **settings: object) -> Function:
    now = ManualClock().now()
    fields = {"runtime": "python3.11", "handler": "main.handler", "created_at": now, "updated_at": now, **settings}
    return Function(function_id=f"fn_{name}", name=name, version=version, code_sha256="0" * 64, code_size=1, **fields)


class Opened:
    """A pool on a fake driver."""

    def __init__(self, **options: object) -> None:
        self.driver = FakeDriver()
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.errors = io.StringIO()
        log = make_log("json", self.errors)
        settings = {"budget_mb": 10_000, "spares": 0, **options}
        self.pool = Pool(self.driver, self.clock, log, self.metrics, **settings)

    async def claim(self, wanted: Function) -> Claim:
        claim = await self.pool.acquire(wanted)
        assert isinstance(claim, Claim)
        return claim

    def ask(self, wanted: Function) -> asyncio.Task:
        return asyncio.create_task(self.pool.acquire(wanted))

    async def rest(self) -> None:
        """Let everything happen that can happen without time passing or a gate opening."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """In steps of the pool's own clockwork."""
        for _ in range(round(seconds)):
            await self.clock.advance(1.0)
            await self.rest()

    @property
    def census(self) -> dict[str, int]:
        return {state: count for state, count in self.pool.census().items() if count}


@contextlib.asynccontextmanager
async def opened(**options: object) -> AsyncIterator[Opened]:
    box = Opened(**options)
    await box.pool.start()
    await box.rest()
    yield box
    for gate in box.driver.gates.values():
        gate.set()
    await box.pool.close()
    assert box.driver.living == []
