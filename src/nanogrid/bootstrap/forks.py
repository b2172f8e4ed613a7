"""Whether sandboxes can be forked on this machine: tried, for `nanogrid doctor`."""

import asyncio
import os
import tempfile
from pathlib import Path

from nanogrid.clock import Clock
from nanogrid.errors import SandboxUnavailable
from nanogrid.ports import Sandbox
from nanogrid.sandbox.bubblewrap import BubblewrapDriver
from nanogrid.sandbox.bubblewrap_probe import find_bwraps
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.interpreters import find_interpreters
from nanogrid.sandbox.machine import open_machine
from nanogrid.sandbox.seccomp import program


async def why_no_forks() -> list[str]:
    """Start the processes that sandboxes are forks of, in a folder of their own, and end them: why not, a line each.

    Raises `SandboxUnavailable` where there can be no sandbox of this kind at all.
    """
    with tempfile.TemporaryDirectory(prefix="nanogrid-doctor-") as folder:
        machine = await asyncio.to_thread(open_machine, Path(folder), Clock())
        path = os.environ.get("PATH", os.defpath)
        offer = find_interpreters(machine.identities.reader, search_path=path)
        driver = BubblewrapDriver(machine, offer, _guard, bwraps=find_bwraps(path), seccomp=program())
        try:
            await driver.start()
            return driver.notes()
        finally:
            await driver.close()


def _guard(_: Cell) -> Sandbox:
    raise SandboxUnavailable("nothing is run where sandboxes are only looked at.")
