"""Writes ended runs of one function into a grid's history, as the grid itself would; a million take half a minute.

Run as a script while the grid is stopped: `seed_history.py DATA COUNT`.
"""

import asyncio
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from msgspec import Raw

from nanogrid.backends.local import run_table
from nanogrid.backends.local.database import open_database
from nanogrid.backends.local.registry import LocalRegistry
from nanogrid.backends.local.run_table import Saved
from nanogrid.backends.local.schema import shipped_schema
from nanogrid.identifiers import new_run_id
from nanogrid.model import Function, Run, RunStatus

_STEP = 5_000


async def seed(data: Path, count: int) -> None:
    """Add `count` runs of the function `distinct-0`."""
    async with open_database(data / "nanogrid.db", shipped_schema()) as database:
        registry = LocalRegistry(database)
        await registry.load()
        function = await registry.get("distinct-0")
        for start in range(0, count, _STEP):
            changes = dict(_ended(function) for _ in range(min(_STEP, count - start)))
            await database.write(partial(run_table.save, changes=changes))


def _ended(function: Function) -> tuple[str, Saved]:
    now = datetime.now(UTC)
    run = Run(
        run_id=new_run_id(),
        function_id=function.function_id,
        function_name=function.name,
        version=function.version,
        status=RunStatus.SUCCEEDED,
        output=Raw(b'{"ok":true}'),
        attempt=1,
        created_at=now,
        started_at=now,
        ended_at=now,
    )
    return run.run_id, Saved(run, Raw(b"{}"))


if __name__ == "__main__":
    asyncio.run(seed(Path(sys.argv[1]), int(sys.argv[2])))
