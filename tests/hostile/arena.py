"""A started grid under attack: runs a probe cold and warm, and looks at everything after each run."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from catalogue import Probe
from outside import View, look

from grid import StartedGrid, started_grid

SETTLE_S = 10.0
#: The neighbour: says what it sees of the world, leaves something of its own, and must always say the same.
CANARY = """
import os, signal, sys, threading

SECRET = "neighbour"

def handler(event, context):
    seen = {
        "files": sorted(os.listdir("/tmp") + os.listdir("/dev/shm")),
        "environment": sorted(os.environ),
        "threads": threading.active_count(),
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "folder": os.getcwd(),
        "umask": os.umask(0o22),
        "alarm": str(signal.getsignal(signal.SIGALRM)),
        "trace": str(sys.gettrace()),
        "sum": sum(event["numbers"]),
    }
    for path in ("/tmp/neighbour", "/dev/shm/neighbour"):
        open(path, "w").close()
        os.unlink(path) if event["tidy"] else None
    return seen
"""
NEIGHBOUR = {"calm": False, "numbers": [1, 2, 39], "tidy": True}


@dataclass(frozen=True)
class Verdict:
    """What one attack opened; empty is held. `warm` is None where there is nothing warm to attack."""

    cold: list[str]
    warm: list[str] | None


class Arena:
    """Attacks one grid, one probe at a time."""

    def __init__(self, grid: StartedGrid, driver: str) -> None:
        self.grid = grid
        self.driver = driver
        self._http = httpx.Client(base_url=grid.url, headers=grid.headers, timeout=60)
        self.deploy("neighbour", source=CANARY)
        self._neighbour = self.run("neighbour", NEIGHBOUR)
        assert self._neighbour["status"] == "succeeded", self._neighbour["error"]
        self._before = self._settled()

    def close(self) -> None:
        self._http.close()

    def deploy(self, name: str, **fields: object) -> dict:
        """Deploy a Python function, which replaces one of that name."""
        self._http.delete(f"/functions/{name}")
        answer = self._http.post("/functions", json={"name": name, "runtime": "python3", **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def run(self, name: str, value: object) -> dict:
        """Run it and return the ended run."""
        answer = self._http.post("/run", json={"functionId": name, "input": value})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def attack(self, probe: Probe) -> Verdict:
        """The probe as an ordinary uploaded function, cold, then in a warm sandbox."""
        self.deploy(probe.name, zip=probe.archive(), **probe.settings)
        event = {
            "calm": False,
            "variant": probe.variant,
            "port": httpx.URL(self.grid.url).port,
            "data": str(self.grid.data),
            "run": self._neighbour["runId"],
        }
        try:
            cold = self._strike(probe, event, cold=True)
            warm = None if probe.only_cold else self._strike_warm(probe, event)
        finally:
            self._http.delete(f"/functions/{probe.name}")
        return Verdict(cold, warm)

    def _strike_warm(self, probe: Probe, event: dict) -> list[str]:
        # What the cold attack left may spoil the next runs of the same function, and of that one only.
        for _ in range(4):
            if self.run(probe.name, event | {"calm": True})["output"] == "calm":
                return self._strike(probe, event, cold=False)
        return ["its sandbox is not replaced: four runs after the attack all went wrong"]

    def _strike(self, probe: Probe, event: dict, *, cold: bool) -> list[str]:
        run = self.run(probe.name, event)
        holes = probe.holes(run)
        if run["usage"]["coldStart"] is not cold:
            holes.append(f"the run was {'warm' if cold else 'cold'}, which is not what was to be attacked")
        return [*holes, *self.damage()]

    def _settled(self) -> View:
        """The machine when the pool has started what it keeps ready."""
        deadline = time.monotonic() + SETTLE_S
        earlier, later = None, look(self.grid.pid, self.grid.data, self.driver)
        while (earlier != later or later.orphans) and time.monotonic() < deadline:
            time.sleep(0.2)
            earlier, later = later, look(self.grid.pid, self.grid.data, self.driver)
        return later

    def damage(self) -> list[str]:
        """What is not as it was; looks until it is, for a while, as sandboxes are cleared away in the background."""
        deadline = time.monotonic() + SETTLE_S
        while (holes := self._look()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return holes

    def _look(self) -> list[str]:
        try:
            alive = self._http.get("/health/live").status_code == httpx.codes.OK
            neighbour = self.run("neighbour", NEIGHBOUR)
        except (httpx.HTTPError, AssertionError) as exc:
            return [f"the grid does not answer: {exc}"]
        holes = [] if alive else ["the grid says that it is not alive"]
        if neighbour["output"] != self._neighbour["output"]:
            holes.append(f"the neighbour saw {neighbour['output'] or neighbour['error']}")
        return [*holes, *look(self.grid.pid, self.grid.data, self.driver).holes(self._before)]


@contextmanager
def arena(driver: str) -> Iterator[Arena]:
    """A grid with that kind of sandbox, started for the attacks and stopped after them."""
    with _in_background(driver) as grid:
        under_attack = Arena(grid, driver)
        try:
            yield under_attack
        finally:
            under_attack.close()


@contextmanager
def _in_background(driver: str) -> Iterator[StartedGrid]:
    """Tests run in loops of their own; the grid outlives them, in a thread with a loop that lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="grid")
    thread.start()
    manager = started_grid("--sandbox", driver)
    try:
        yield asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
