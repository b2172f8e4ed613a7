"""A grid on this machine, and everything that can happen to it."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from chaos.disk import Ballast
from chaos.false_clock import FAKETIME, jumping
from chaos.history import History
from chaos.network import Network
from chaos.proxy import Proxy
from chaos.system import Harm, System
from grid import StartedGrid, started_grid
from nanogrid.sandbox.processes import family

LEASE_S = 2.0
#: Tasks at once: as many as four small workers would hold.
MAX_RUNNING = 8


class LocalSystem(System):
    """`nanogrid up` behind a proxy, on a data folder of its own."""

    backend = "local"

    def __init__(self, grid: StartedGrid, proxy: Proxy, sandbox: str, *, disk: Ballast | None, offset: Path) -> None:
        self.sandbox = sandbox
        self.history = History()
        self._grid = grid
        self._proxy = proxy
        self._network = Network(proxy, "the grid")
        self._disk = disk
        #: The file that tells faketime how wrong the clock is.
        self._offset = offset

    @property
    def token(self) -> str:  # type: ignore[override]
        return self._grid.token

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._proxy.port}"

    def harms(self) -> dict[str, Harm]:
        return {
            "kill-server": self._kill_server,
            "stop-server": self._stop_server,
            "freeze-server": self._freeze_server,
            "kill-sandbox": self._kill_sandbox,
            "freeze-sandbox": self._freeze_sandbox,
            **self._network.harms("network"),
            "copy-database": self._copy_database,
            **({"jump-clock": self._jump_clock} if FAKETIME.exists() else {}),
            **({"fill-disk": self._fill_disk} if self._disk else {}),
        }

    async def _kill_server(self, strength: float) -> str:
        pid = self._grid.pid
        await self._grid.kill()
        await asyncio.sleep(strength * 0.5)
        await self._grid.start()
        return f"SIGKILL to the server's process group {pid}, started again"

    async def _stop_server(self, strength: float) -> str:
        await self._grid.stop()
        await self._grid.start()
        return "SIGTERM, drained, started again"

    async def _freeze_server(self, strength: float) -> str:
        seconds = LEASE_S * (1.2 + strength)
        os.killpg(self._grid.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.killpg(self._grid.pid, signal.SIGCONT)
        return f"SIGSTOP to the server for {seconds:.1f} s; a lease lasts {LEASE_S} s"

    async def _kill_sandbox(self, strength: float) -> str:
        pid = self._some_sandbox(strength)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"SIGKILL to the process {pid} of a sandbox"

    async def _freeze_sandbox(self, strength: float) -> str:
        pid, seconds = self._some_sandbox(strength), 0.2 + 2 * strength
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
        return f"SIGSTOP to the process {pid} of a sandbox for {seconds:.1f} s"

    def _some_sandbox(self, strength: float) -> int:
        # Never the server itself; where nothing is inside yet, a process that is not there.
        inside = family(self._grid.pid)[1:] or [2**22 - 1]
        return inside[int(strength * (len(inside) - 1))]

    async def _jump_clock(self, strength: float) -> str:
        hours = -1 if strength < 0.5 else 1
        self._offset.write_text(f"{hours:+d}h")
        await asyncio.sleep(2)
        self._offset.write_text("+0")
        return f"the clock {hours:+d} h for 2 s, then back"

    async def _fill_disk(self, strength: float) -> str:
        assert self._disk is not None
        seconds = 1 + 2 * strength
        self._disk.fill()
        await asyncio.sleep(seconds)
        self._disk.empty()
        return f"the disk full for {seconds:.1f} s"

    async def _copy_database(self, strength: float) -> str:
        """The files as they are at one moment, as a power cut would leave them: whole, with every promise in them."""
        with tempfile.TemporaryDirectory(prefix="nanogrid-chaos-") as folder:
            os.killpg(self._grid.pid, signal.SIGSTOP)
            promised = set(self.history.promised)
            for path in self._grid.data.glob("nanogrid.db*"):
                (Path(folder) / path.name).write_bytes(path.read_bytes())
            os.killpg(self._grid.pid, signal.SIGCONT)
            missing = await asyncio.to_thread(_missing, Path(folder) / "nanogrid.db", promised)
        assert not missing, f"the copied database lacks {missing}"
        return f"the database copied, whole, with {len(promised)} promised runs in it"


def _missing(database: Path, promised: set[str]) -> set[str]:
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return promised - {run_id for (run_id,) in connection.execute("SELECT run_id FROM runs")}
    finally:
        connection.close()


@asynccontextmanager
async def local_system(sandbox: str, *, kinds: set[str]) -> AsyncIterator[LocalSystem]:
    """A grid ready for these kinds of harm: some need a small disk, or a clock that can be moved."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - before anything runs
        offset = folder / "clock"
        environment = {"NANOGRID_LEASE_S": str(LEASE_S), "NANOGRID_MAX_RUNNING": str(MAX_RUNNING)}
        if "jump-clock" in kinds:
            environment |= jumping(folder, offset)
        with Ballast.mounted(folder / "small") if "fill-disk" in kinds else contextlib.nullcontext() as disk:
            data = (disk.folder if disk else folder) / "data"
            async with started_grid("--sandbox", sandbox, data=data, environment=environment) as grid:
                proxy = Proxy(lambda: _address(grid))
                async with proxy.serving():
                    system = LocalSystem(grid, proxy, sandbox, disk=disk, offset=offset)
                    if sandbox == "process":
                        system.count_executions(folder)
                    yield system


def _address(grid: StartedGrid) -> tuple[str, int]:
    parts = urlsplit(grid.url)
    return str(parts.hostname), int(parts.port or 0)
