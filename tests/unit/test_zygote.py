"""Sandboxes that are forks: what each has of its own, and what becomes of them and the next when the zygote dies."""

import os
import signal
from pathlib import Path

import pytest

from cells import new_inmate, run_as_ordinary_user, started_driver
from nanogrid.sandbox import processes
from nanogrid.sandbox.bubblewrap import BubblewrapCell
from nanogrid.sandbox.zygote_cell import ZygoteCell
from waiting import until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@needs_root
def test_all_of_this_holds_for_an_ordinary_user() -> None:
    """The same file again, as a user without rights, under a Python that it can read."""
    done = run_as_ordinary_user("-m", "pytest", __file__, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly")

    assert done.returncode == 0, done.stdout + done.stderr


# What a fork has of its own


async def test_random_numbers_of_two_forks_differ() -> None:
    draw = "import random, uuid, ssl; answer = [random.random(), str(uuid.uuid4()), ssl.RAND_bytes(8).hex()]"
    async with started_driver("zygote") as driver:
        first, second = [await (await new_inmate(driver)).run(draw) for _ in range(2)]

    assert not set(first) & set(second)


async def test_a_fork_has_imported_the_runtime_and_nothing_that_a_function_could_miss() -> None:
    async with started_driver("zygote") as driver:
        inmate = await new_inmate(driver)
        modules = await inmate.run("import sys; answer = sorted(sys.modules)")

    assert "nanogrid_runtime.function" in modules
    # A function may have modules of these names.
    assert not [name for name in modules if "zygote" in name or name in {"ctypes", "resource", "_socket", "fcntl"}]


async def test_what_a_grid_wants_imported_is_there_and_draws_its_own_random_numbers() -> None:
    draw = "import random, ssl, uuid; answer = [random.random(), str(uuid.uuid4()), ssl.RAND_bytes(8).hex()]"
    wanted = ("random", "ssl", "uuid", "tempfile")
    async with started_driver("zygote", preimport=wanted) as driver:
        inmates = [await new_inmate(driver) for _ in range(2)]
        there = await inmates[0].run(f"import sys; answer = [name in sys.modules for name in {wanted}]")
        first, second = [await inmate.run(draw) for inmate in inmates]

    assert there == [True] * 4
    assert not set(first) & set(second)


async def test_a_wanted_module_that_is_not_there_is_named() -> None:
    async with started_driver("zygote", preimport=("no_such_module",)) as driver:
        said = "\n".join(driver.notes())

    assert "No module named 'no_such_module'" in said


async def test_a_module_that_the_zygote_has_used_can_be_imported_anew() -> None:
    async with started_driver("zygote") as driver:
        inmate = await new_inmate(driver)
        answer = await inmate.run(
            "import ctypes, fcntl, resource, socket, gc; answer = [ctypes.CDLL(None).getpid(), gc.isenabled()]"
        )

    assert answer == [2, True]


async def test_signals_are_as_in_a_python_that_was_just_started() -> None:
    async with started_driver("zygote") as driver:
        inmate = await new_inmate(driver)
        await inmate.run("import signal")
        handlers = await inmate.run("answer = [str(signal.getsignal(n)) for n in (signal.SIGINT, 15, signal.SIGCHLD)]")

    assert "default_int_handler" in handlers[0]
    assert handlers[1:] == [str(signal.SIG_DFL)] * 2


async def test_the_first_process_cannot_be_ended_or_stopped_from_inside() -> None:
    async with started_driver("zygote") as driver:
        inmate = await new_inmate(driver)
        await inmate.run("for number in range(1, 65):\n try: os.kill(1, number)\n except OSError: pass")
        state = await inmate.run("answer = open('/proc/1/stat').read().split(')')[1].split()[0]")

    assert state == "S"


async def test_forks_share_no_namespace() -> None:
    async with started_driver("zygote") as driver:
        inmates = [await new_inmate(driver), await new_inmate(driver)]
        first, second = [_namespaces(one.cell.runtime) for one in inmates]

    # Those of time and of children have no use here.
    assert {name for name in first if first[name] == second[name]} <= {"time", "time_for_children"}


async def test_memory_that_a_fork_shares_does_not_count_and_what_it_takes_does() -> None:
    async with started_driver("zygote") as driver:
        inmate = await new_inmate(driver)
        at_first = inmate.cell.memory_mb()
        await inmate.run("kept = b'x' * (50 * 1024 * 1024)")
        taken = inmate.cell.memory_mb() - at_first
        exact = sum(map(processes.proportional_bytes, processes.family(inmate.cell._child.pid))) / 1024**2

    assert at_first < 6
    assert 48 < taken < 60
    assert exact < 64


# When it is old


def zygote_of(driver):
    return driver._zygotes._running[driver.runtimes()[0]].zygote._process.pid


async def forks_until_renewed(driver):
    """The first fork of the zygote that comes after this one."""
    old = zygote_of(driver)
    while zygote_of(driver) == old:
        await new_inmate(driver)
    return await new_inmate(driver)


_LAYOUT = "answer = [id(None), hash('x'), hash('y'), [l.split('-')[0] for l in open('/proc/self/maps') if 'libc' in l]]"


async def test_an_old_zygote_is_replaced_and_its_sandboxes_live_on() -> None:
    async with started_driver("zygote", renew_after_forks=2) as driver:
        before = [await new_inmate(driver) for _ in range(2)]
        old = zygote_of(driver)
        after = await forks_until_renewed(driver)
        first, second, renewed = [await inmate.run(_LAYOUT) for inmate in (*before, after)]

        assert first == second
        assert first[1:] != renewed[1:]
        assert not processes.lives(old)


async def test_a_successor_that_cannot_start_leaves_the_old_zygote_at_work() -> None:
    async with started_driver("zygote", renew_after_forks=1) as driver:
        old = zygote_of(driver)
        program = driver._machine.workspace.runtimes / "python.py"
        program.chmod(0o644)
        program.write_text("this is no Python")
        while not driver._zygotes._renew_not_before:
            inmate = await new_inmate(driver)
        later = await new_inmate(driver)
        answers = [await inmate.run("answer = 1"), await later.run("answer = 2")]

        assert (zygote_of(driver), answers) == (old, [1, 2])


# When it dies


async def test_a_sandbox_outlives_its_zygote() -> None:
    async with started_driver("zygote") as driver:
        inmate = await new_inmate(driver)
        _kill_zygote(driver)

        assert await inmate.run("answer = 'alive'") == "alive"


async def test_the_next_sandbox_after_its_death_is_a_fork_of_a_new_one() -> None:
    async with started_driver("zygote") as driver:
        first = await new_inmate(driver)
        _kill_zygote(driver)
        second = await new_inmate(driver)

        assert type(second.cell) is ZygoteCell
        assert await second.run("answer = 1") == await first.run("answer = 1")


async def test_one_that_hangs_is_replaced() -> None:
    async with started_driver("zygote") as driver:
        zygote = driver._zygotes._running[driver.runtimes()[0]].zygote
        zygote._control.settimeout(0.2)
        os.kill(zygote._process.pid, signal.SIGSTOP)
        inmate = await new_inmate(driver)

        assert type(inmate.cell) is ZygoteCell
        assert not processes.lives(zygote._process.pid)


async def test_where_none_can_run_sandboxes_are_started_one_by_one_and_that_is_said() -> None:
    async with started_driver("zygote", machine={"program": "this is no Python"}) as driver:
        said = "\n".join(driver.describe())

    assert "python3.11: sandboxes are started one by one, which takes longer, for no zygote runs: " in said
    assert "invalid syntax" in said


async def test_one_that_died_and_does_not_start_again_is_done_without() -> None:
    async with started_driver("zygote") as driver:
        (driver._machine.workspace.runtimes / "zygote.py").unlink()
        _kill_zygote(driver)
        inmate = await new_inmate(driver)

        assert type(inmate.cell) is BubblewrapCell


async def test_closing_the_driver_leaves_no_zygote() -> None:
    async with started_driver("zygote") as driver:
        zygote = zygote_of(driver)
        lived = processes.lives(zygote)

    assert lived
    await until(lambda: not Path(f"/proc/{zygote}").exists())


def _namespaces(pid: int) -> dict[str, str]:
    return {path.name: str(path.readlink()) for path in Path(f"/proc/{pid}/ns").iterdir()}


def _kill_zygote(driver) -> None:
    os.kill(zygote_of(driver), signal.SIGKILL)
