"""One data folder, several processes: a second grid is refused, and whoever reads or backs up does no harm."""

import asyncio
import os
import sqlite3
import sys

from flow_steps import deploy, ended, http, run
from grid import started_grid

_ECHO = "def handler(event, context):\n    return event\n"
_RUNS = 60


async def command(*arguments, **environment):
    """`nanogrid` with these arguments: its exit code, and all that it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NANOGRID_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nanogrid", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=inherited | environment,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def looked_into(database):
    """Reads as somebody does who opens the file by himself, again and again, and lets go of it each time."""
    for _ in range(50):
        connection = sqlite3.connect(database)
        connection.execute("SELECT count(*) FROM runs").fetchone()
        connection.close()


async def test_a_second_grid_is_refused_and_backups_and_readers_do_no_harm_while_runs_go_on(tmp_path):
    async with started_grid("--sandbox", "process") as grid, http(grid) as client:
        await deploy(client, "echo", _ECHO)
        before = {name: (grid.data / name).read_text() for name in ("address", "token", "lock")}

        async def accepted(number):
            return (await run(client, "echo", number, Prefer="respond-async")).json()["runId"]

        run_ids, second, running, seen, _ = await asyncio.gather(
            asyncio.gather(*(accepted(number) for number in range(_RUNS))),
            command("up", "--port", "0", "--data", str(grid.data), "--sandbox", "process"),
            command("backup", str(tmp_path / "running.tar"), "--data", str(grid.data)),
            command("runs", "--json", NANOGRID_DATA=str(grid.data)),
            asyncio.to_thread(looked_into, grid.data / "nanogrid.db"),
        )
        outputs = [(await ended(client, run_id))["output"] for run_id in run_ids]
        after = {name: (grid.data / name).read_text() for name in before}
        await grid.kill()
        crashed = await command("backup", str(tmp_path / "crashed.tar"), "--data", str(grid.data))
        restored = await command("restore", str(tmp_path / "crashed.tar"), "--data", str(tmp_path / "restored"))

    code, said = second
    assert code != 0
    assert f"is in use by the process {before['lock'].strip()}" in " ".join(said.split())
    assert after == before
    assert [code for code, _ in (running, seen, crashed, restored)] == [0] * 4
    assert outputs == list(range(_RUNS))
    connection = sqlite3.connect(tmp_path / "restored" / "nanogrid.db")
    assert {run_id for (run_id,) in connection.execute("SELECT run_id FROM runs")} >= set(run_ids)
    connection.close()
