"""Cells without walls: what still holds. Run twice: as this user, and as an ordinary one."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cells import make_driver, new_inmate, open_test_machine, run_as_ordinary_user, sample, started_cell, started_driver
from nanogrid.sandbox import processes
from nanogrid.sandbox.cell import Ending

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

_DAEMON = """
import signal
if (pid := os.fork()) == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pause()
    os._exit(0)
os.waitpid(pid, 0)
"""


@needs_root
def test_all_of_this_holds_for_an_ordinary_user() -> None:
    """The same file again, as a user without rights, under a Python that it can read."""
    done = run_as_ordinary_user("-m", "pytest", __file__, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly")

    assert done.returncode == 0, done.stdout + done.stderr


@needs_root
async def test_started_by_root_each_cell_has_a_user_of_its_own() -> None:
    async with started_driver("process") as driver:
        users = {await (await new_inmate(driver)).run("answer = os.getuid()") for _ in range(3)}

    assert len(users) == 3
    assert 0 not in users


@needs_root
async def test_started_by_root_a_cell_cannot_read_its_neighbours_code() -> None:
    async with started_driver("process") as driver:
        first, second = await new_inmate(driver), await new_inmate(driver)
        place = await first.cell.place(sample(), _unpacked(driver._machine.workspace.code / "abc"))
        own = await first.run(f"answer = open('{place}/main.py').read()")
        foreign = await second.run(f"answer = open('{place}/main.py').read()")

    assert own == "print()"
    assert foreign.startswith("PermissionError")


async def test_code_in_the_cache_is_out_of_a_cells_reach() -> None:
    async with started_cell("process") as inmate:
        code = _unpacked(inmate.cell._machine.workspace.code / "abc")
        place = await inmate.cell.place(sample(), code)
        await inmate.run(f"os.chmod('{place}/main.py', 0o644); open('{place}/main.py', 'w').write('evil')")

        assert (code / "main.py").read_text() == "print()"


async def test_nothing_of_our_environment_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "do-not-tell")
    async with started_cell("process") as inmate:
        environment = await inmate.run("answer = dict(os.environ)")

    assert set(environment) <= {"TMPDIR", "HOME", "LC_CTYPE"}


async def test_it_has_a_temporary_folder_that_goes_with_it() -> None:
    async with started_cell("process") as inmate:
        await inmate.run("os.makedirs(os.environ['TMPDIR'] + '/a/b'); os.chmod(os.environ['TMPDIR'] + '/a', 0)")
        await inmate.cell.kill()
        inmate.cell.close_ends()

        assert not inmate.cell.slot.folder.exists()


async def test_kill_finds_a_daemon_in_a_session_of_its_own() -> None:
    async with started_cell("process") as inmate:
        await inmate.run(_DAEMON)
        inside = inmate.cell._find_all()
        await inmate.cell.kill()
        inmate.cell.close_ends()

        assert len(inside) == 2
        assert not [pid for pid in inside if processes.lives(pid)]


async def test_an_exit_code_and_a_signal_are_told_apart() -> None:
    async with started_driver("process") as driver:
        leaver, victim = await new_inmate(driver), await new_inmate(driver)
        await leaver.tell("os._exit(7)")
        await victim.tell("os.kill(os.getpid(), 6)")

        assert await leaver.cell.ended() == Ending(exit_code=7)
        assert await victim.cell.ended() == Ending(signal="SIGABRT")


async def test_the_limits_hold_without_walls_too() -> None:
    async with started_cell("process") as inmate:
        await inmate.run("import resource as r; kinds = (r.RLIMIT_NOFILE, r.RLIMIT_CORE, r.RLIMIT_FSIZE)")
        limits = await inmate.run("answer = [r.getrlimit(kind)[1] for kind in kinds]")

    assert limits == [1024, 0, 512 * 1024 * 1024]


def test_the_next_start_ends_and_removes_what_a_crashed_grid_left(tmp_path: Path) -> None:
    crashed = subprocess.Popen(
        [sys.executable, __file__, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert crashed.stdout
    runtime = int(crashed.stdout.readline())
    lived = processes.lives(runtime)
    crashed.kill()
    crashed.communicate()

    left = asyncio.run(_slots_after_a_start(tmp_path))

    assert lived
    assert not processes.lives(runtime)
    assert left == []


async def _slots_after_a_start(data: Path) -> list[Path]:
    driver = make_driver("process", open_test_machine(data))
    await driver.start()
    left = list(driver._machine.workspace.slots.iterdir())
    await driver.close()
    return left


def _unpacked(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").write_text("print()")
    (folder / "main.py").chmod(0o444)
    return folder


async def _be_a_platform(data: Path) -> None:
    """Have a cell that will not notice that the platform is gone, and say who it is."""
    driver = make_driver("process", open_test_machine(data))
    await driver.start()
    inmate = await new_inmate(driver)
    await inmate.run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    await inmate.tell("signal.pause()")
    sys.stdout.write(f"{inmate.cell.runtime}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_be_a_platform(Path(sys.argv[1])))
