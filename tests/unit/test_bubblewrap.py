"""The walls of a cell, seen from inside and from outside: those that bubblewrap builds, and a zygote's.

Run as this user and as an ordinary one.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cells import (
    make_driver,
    new_inmate,
    open_test_machine,
    run_as_ordinary_user,
    sample,
    started_cell,
    started_driver,
)
from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Network
from nanogrid.sandbox import processes
from nanogrid.sandbox.bubblewrap import BubblewrapCell
from nanogrid.sandbox.cell import Ending
from nanogrid.sandbox.limits import Limits
from nanogrid.sandbox.zygote_cell import ZygoteCell
from waiting import until

#: How the cell came to be: started by bubblewrap, or forked from a zygote.
KINDS = {"bubblewrap": BubblewrapCell, "zygote": ZygoteCell}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@needs_root
def test_all_of_this_holds_for_an_ordinary_user() -> None:
    """The same file again, as a user without rights, under a Python that it can read."""
    done = run_as_ordinary_user("-m", "pytest", __file__, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly")

    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_cell_is_of_the_kind_that_was_asked_for(kind: str) -> None:
    async with started_cell(kind) as inmate:
        assert type(inmate.cell) is KINDS[kind]


async def test_both_kinds_are_behind_the_same_mounts() -> None:
    seen = []
    for kind in KINDS:
        async with started_cell(kind) as inmate:
            mounts = await inmate.run("answer = open('/proc/self/mountinfo').read()")
            seen.append({(line.split()[4], _flags(line)) for line in mounts.splitlines()})

    # Of bubblewrap's first process the memory is hidden by mounts, of the zygote's by its being undumpable.
    assert {mount for mount in seen[0] if not mount[0].startswith("/proc/1/")} == seen[1]


# Who the function is


async def test_a_function_is_nobody_and_has_no_capability(kind: str) -> None:
    async with started_cell(kind) as inmate:
        status = await inmate.run("answer = open('/proc/self/status').read()")

    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == fields["Gid"].split() == ["65534"] * 4
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0" * 16
    assert fields["NoNewPrivs"] == "1"


async def test_seen_from_the_machine_it_is_not_root_either(kind: str) -> None:
    async with started_cell(kind) as inmate:
        chain = [*_ancestors(inmate.cell.runtime), inmate.cell.runtime]
        users = set(map(_real_user, chain))

    assert 0 not in users
    assert len(chain) == {"bubblewrap": 3, "zygote": 2}[kind]


@needs_root
async def test_two_sandboxes_never_share_a_user(kind: str) -> None:
    async with started_driver(kind) as driver:
        first, second = await new_inmate(driver), await new_inmate(driver)
        users = {_real_user(inmate.cell.runtime) for inmate in (first, second)}

    assert len(users) == 2


@needs_root
async def test_bubblewrap_is_never_started_as_root() -> None:
    async with started_driver("bubblewrap") as driver:
        slot = driver._machine.workspace.open_slot(0, None)  # nobody else to become

        with pytest.raises(SandboxUnavailable, match="as root"):
            driver.launch(driver._offer.interpreters[0], Network.NONE, slot, None)


# What it sees


async def test_nothing_of_our_environment_is_inside(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "do-not-tell")
    async with started_cell(kind) as inmate:
        seen = await inmate.run(
            "answer = [open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p != '1' and p.isdigit()]"
        )
        of_first = await inmate.run("answer = open('/proc/1/environ').read()")

    assert "SECRET" not in str(seen)
    assert of_first == "" or of_first.startswith("PermissionError")


async def test_the_only_descriptors_inside_are_the_allowed_ones(kind: str) -> None:
    held = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(held, True)  # noqa: FBT003 - the mistake that somebody else may make
    async with started_cell(kind) as inmate:
        control = await inmate.run("answer = fd")
        # The one that `listdir` itself needs is closed again by the time of the second look.
        seen = await inmate.run(
            "answer = [n for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')]"
        )
    os.close(held)

    assert sorted(map(int, seen)) == [0, 1, 2, control]


async def test_no_path_of_ours_shows_in_the_command_line(kind: str) -> None:
    async with started_cell(kind) as inmate:
        line = await inmate.run("answer = open('/proc/1/cmdline').read()")

    assert line.startswith("bwrap\0") if kind == "bubblewrap" else "-B\0zygote.py\0" in line
    assert "nanogrid-" not in line


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/root", "/home", "/var", "/run", "/sys", "/work"])
async def test_the_rest_of_the_machine_is_not_there(kind: str, path: str) -> None:
    async with started_cell(kind) as inmate:
        exists = await inmate.run(f"answer = os.path.lexists({path!r})")

    assert exists is False


@pytest.mark.parametrize("path", ["/", "/usr", "/dev", "/code", "/nanogrid", "/etc"])
async def test_nothing_but_the_temporary_folders_can_be_written(kind: str, path: str) -> None:
    async with started_cell(kind) as inmate:
        refusal = await inmate.run(f"open('{path}/new', 'w')")

    assert "Read-only file system" in refusal


async def test_the_kernels_settings_cannot_be_written(kind: str) -> None:
    async with started_cell(kind) as inmate:
        refusal = await inmate.run("open('/proc/sys/kernel/core_pattern', 'r+')")

    assert refusal.startswith(("OSError: [Errno 30]", "PermissionError"))


@pytest.mark.parametrize("name", ["kallsyms", "config.gz", "keys", "timer_list", "interrupts", "kcore"])
async def test_what_the_kernel_knows_of_the_machine_is_hidden(kind: str, name: str) -> None:
    async with started_cell(kind) as inmate:
        seen = await inmate.run(f"answer = open('/proc/{name}').read(64)")

    assert seen == "" or seen.startswith(("PermissionError", "FileNotFoundError"))


async def test_there_is_no_network_but_its_own_loopback(kind: str) -> None:
    async with started_cell(kind) as inmate:
        cards = await inmate.run("import socket; answer = [name for _, name in socket.if_nameindex()]")
        refusal = await inmate.run("socket.create_connection(('1.1.1.1', 53), 2)")

    assert cards == ["lo"]
    assert "unreachable" in refusal


async def test_a_server_of_its_own_is_found_under_the_name_localhost(kind: str) -> None:
    async with started_cell(kind) as inmate:
        address = await inmate.run("import socket; answer = socket.gethostbyname('localhost')")

    assert address == "127.0.0.1"


async def test_it_cannot_make_namespaces_of_its_own(kind: str) -> None:
    async with started_cell(kind) as inmate:
        answer = await inmate.run("import ctypes; answer = ctypes.CDLL(None).unshare(0x10000000)")

    assert answer == -1


# What it may take


async def test_the_temporary_folder_is_full_at_its_limit(kind: str) -> None:
    async with started_cell(kind, machine={"limits": Limits(tmp_bytes=1024 * 1024)}) as inmate:
        await inmate.run("f = open('/tmp/big', 'wb', 0)")
        answer = await inmate.run("while f.write(b'x' * 65536) == 65536: pass\nf.write(b'x')")

    assert "No space left" in answer


async def test_a_fork_bomb_is_refused_at_the_limit_and_leaves_the_next_sandbox_alone(kind: str) -> None:
    async with started_driver(kind) as driver:
        inmate = await new_inmate(driver)
        forks = await inmate.run(_FORK_BOMB)
        neighbour = await new_inmate(driver)
        members = inmate.cell.members()

        await inmate.cell.kill()
        inmate.cell.close_ends()

        assert 20 < forks < 64
        assert await neighbour.run("answer = 1") == 1
        assert len(members) > forks
        assert not any(map(processes.lives, members))


async def test_code_is_placed_read_only(kind: str) -> None:
    async with started_cell(kind) as inmate:
        code = _unpacked(inmate.cell._machine.workspace.code / "abc")
        inside = await inmate.cell.place(sample(), code)
        seen = await inmate.run(
            f"answer = [open('{inside}/{{}}'.format(n)).read() for n in ('main.py', 'deep/er.txt')]"
        )
        refusal = await inmate.run(f"open('{inside}/main.py', 'a')")

    assert inside == "/code"
    assert seen == ["print()", "deep"]
    assert "Errno 30" in refusal or "Errno 13" in refusal


async def test_too_much_memory_ends_the_cell_and_is_named_so(kind: str) -> None:
    async with started_cell(kind) as inmate:
        await inmate.cell.place(sample(memory_mb=128), _unpacked(inmate.cell._machine.workspace.code / "abc"))
        answer = await _take_memory(inmate, 200)
        ending = await inmate.cell.ended() if answer is None else None

    # With a cgroup the kernel ends it; with an rlimit the allocation fails, and the runtime lives to say so.
    assert answer is None or answer.startswith("MemoryError")
    assert ending is None or ending == Ending(signal="SIGKILL", out_of_memory=True)


async def test_without_cgroups_several_processes_share_the_limit(kind: str) -> None:
    async with started_cell(kind, machine={"use_cgroups": False}) as inmate:
        await inmate.cell.place(sample(memory_mb=128), _unpacked(inmate.cell._machine.workspace.code / "abc"))
        await inmate.tell(_SEVERAL_TIMES_60_MB)
        ending = await inmate.cell.ended()

    assert ending.out_of_memory


# How it ends


async def test_an_exit_code_is_passed_on(kind: str) -> None:
    async with started_cell(kind) as inmate:
        await inmate.tell("os._exit(3)")

        assert await inmate.cell.ended() == Ending(exit_code=3)


async def test_a_signal_is_named(kind: str) -> None:
    async with started_cell(kind) as inmate:
        await inmate.tell("os.kill(os.getpid(), 11)")

        assert await inmate.cell.ended() == Ending(signal="SIGSEGV")


async def test_a_stopped_first_process_does_not_delay_the_end(kind: str) -> None:
    """`ptrace` of pid 1, and then exit: bwrap alone would wait for ever."""
    async with started_cell(kind) as inmate:
        await inmate.run("import ctypes; answer = ctypes.CDLL(None).ptrace(16, 1, 0, 0)")
        await inmate.tell("os._exit(0)")

        assert await asyncio.wait_for(inmate.cell.ended(), 5)


async def test_kill_leaves_no_process_no_folder_and_no_control_group(kind: str) -> None:
    async with started_cell(kind) as inmate:
        await inmate.run(_DAEMON)
        cell = inmate.cell
        chain = [*_ancestors(cell.runtime), *cell.members()]
        groups = cell._cgroup.folders if cell._cgroup else []

        await cell.kill()
        await cell.kill()
        cell.close_ends()

        assert len(chain) >= {"bubblewrap": 4, "zygote": 3}[kind]
        assert not [pid for pid in chain if processes.lives(pid)]
        assert not [path for path in (cell.slot.folder, *groups) if path.exists()]
        assert await cell.ended() == Ending(signal="SIGKILL")


def test_killing_the_platform_kills_every_sandbox(kind: str, tmp_path: Path) -> None:
    platform = subprocess.Popen(
        [sys.executable, __file__, kind, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert platform.stdout
    runtime = int(platform.stdout.readline())
    lived = processes.lives(runtime)

    platform.kill()
    platform.communicate()

    assert lived
    asyncio.run(until(lambda: not processes.lives(runtime)))


# Where it can't be


async def test_a_network_that_would_open_the_machine_is_refused() -> None:
    async with started_driver("bubblewrap") as driver:
        with pytest.raises(SandboxUnavailable, match="outbound"):
            await driver.create(driver.runtimes()[0], Network.OUTBOUND)


_FORK_BOMB = """
count = 0
try:
    while count < 200:
        if os.fork() == 0:
            import signal
            signal.pause()
        count += 1
except OSError:
    pass
answer = count
"""
_DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()
    os._exit(0)
os.wait()
"""
_SEVERAL_TIMES_60_MB = """
import signal
for _ in range(4):
    if os.fork() == 0:
        kept = b"x" * (60 * 1024 * 1024)
        signal.pause()
signal.pause()
"""


def _flags(line: str) -> frozenset[str]:
    """Of one mount; the zygote's are never looser, and may be tighter."""
    return frozenset(line.split()[5].split(",")) - {"noexec"}


def _unpacked(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "deep").chmod(0o755)
    (folder / "main.py").write_text("print()")
    (folder / "deep" / "er.txt").write_text("deep")
    for file in ("main.py", "deep/er.txt"):
        (folder / file).chmod(0o444)
    return folder


async def _take_memory(inmate, megabytes: int):
    try:
        return await inmate.run(f"kept = b'x' * ({megabytes} * 1024 * 1024)")
    except EOFError:
        return None


def _ancestors(pid: int) -> list[int]:
    """bwrap inside and outside, for a runtime of this process."""
    found: list[int] = []
    while pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.insert(0, pid)
    return found[1:]


def _real_user(pid: int) -> int:
    return processes._real_user(pid)


async def _be_a_platform(kind: str, data: Path) -> None:
    driver = make_driver(kind, open_test_machine(data))
    await driver.start()
    inmate = await new_inmate(driver)
    sys.stdout.write(f"{inmate.cell.runtime}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    asyncio.run(_be_a_platform(sys.argv[1], Path(sys.argv[2])))
