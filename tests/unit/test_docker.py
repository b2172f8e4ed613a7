"""The walls of a container, seen from inside on a real engine."""

import asyncio

from docker_cells import needs_docker, new_inmate, started_docker, started_inmate
from nanogrid.model import ErrorKind

pytestmark = needs_docker


# Who the function is


async def test_a_function_is_nobody_without_any_right(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        status = await inmate.run("answer = open('/proc/self/status').read()")

    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == fields["Gid"].split() == ["65534"] * 4
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0" * 16
    assert set(fields["Groups"].split()) <= {"65534"}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


async def test_the_only_descriptors_inside_are_the_allowed_ones(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        seen = await inmate.run("import os; answer = {n: os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2, 3)}")
        more = await inmate.run(
            "import os; answer = [n for n in range(4, 1024) if os.path.exists(f'/proc/self/fd/{n}')]"
        )

    assert [target.partition(":")[0] for target in seen.values()] == ["/dev/null", "pipe", "pipe", "socket"]
    assert more == []


async def test_the_processes_inside_carry_no_name_of_the_image_or_the_engine(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        first, own = await inmate.run("answer = [open(f'/proc/{p}/environ').read() for p in (1, 'self')]")

    assert {setting.split("=")[0] for setting in first.split("\0") if setting} == {"PATH", "HOME"}
    assert own == ""


# What it sees


async def test_the_machine_is_not_there(tmp_path):
    paths = ["/etc/passwd", "/etc/shadow", "/var/run/docker.sock", "/sys/kernel", "/work"]
    async with started_inmate(tmp_path) as inmate:
        there = await inmate.run(f"import os; answer = [path for path in {paths} if os.path.lexists(path)]")

    assert there == []


async def test_nothing_but_the_temporary_folders_can_be_written(tmp_path):
    places = ["/", "/usr", "/code", "/door", "/nanogrid", "/etc", "/dev/mqueue", "/sys"]
    async with started_inmate(tmp_path) as inmate:
        refusals = {place: await inmate.run(f"open('{place}/new', 'w')") for place in places}

    assert {place for place, said in refusals.items() if "Read-only file system" not in said} == set()


async def test_the_temporary_folders_are_bounded_and_may_hold_programs(tmp_path):
    source = (
        "import os, subprocess\n"
        "open('/tmp/program', 'w').write('#!/bin/sh\\necho ran'); os.chmod('/tmp/program', 0o755)\n"
        "sizes = [os.statvfs(f) for f in ('/tmp', '/dev/shm')]\n"
        "answer = [subprocess.check_output('/tmp/program', text=True)]\n"
        "answer += [size.f_blocks * size.f_frsize >> 20 for size in sizes]\n"
    )
    async with started_inmate(tmp_path) as inmate:
        assert await inmate.run(source) == ["ran\n", 512, 64]


async def test_the_kernels_settings_cannot_be_written(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        refusal = await inmate.run("open('/proc/sys/kernel/core_pattern', 'r+')")

    assert refusal.startswith(("OSError: [Errno 30]", "PermissionError"))


async def test_there_is_no_network_but_its_own_loopback_and_nobody_to_ask(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        cards = await inmate.run("answer = open('/proc/net/dev').read()")
        asked = await inmate.run("answer = open('/etc/resolv.conf').read()")
        refusal = await inmate.run("import socket; socket.create_connection(('1.1.1.1', 53), 2)")

    assert [line.split(":")[0].strip() for line in cards.splitlines()[2:]] == ["lo"]
    assert asked == ""
    assert "Network is unreachable" in refusal


async def test_containers_share_neither_files_nor_namespaces(tmp_path):
    look = "import os; answer = [os.readlink(f'/proc/self/ns/{n}') for n in ('mnt', 'pid', 'net', 'ipc', 'cgroup')]"
    async with started_docker(tmp_path) as driver:
        first, second = await new_inmate(driver), await new_inmate(driver)
        await first.run("open('/tmp/mine', 'w').close(); open('/dev/shm/mine', 'w').close()")
        left = await second.run("import os; answer = os.listdir('/tmp') + os.listdir('/dev/shm')")
        namespaces = await first.run(look) + await second.run(look)

    assert left == []
    assert len(set(namespaces)) == len(namespaces)


# What it may take


async def test_the_memory_limit_is_the_functions_own(tmp_path):
    take = "answer = len(bytearray(150 << 20)) >> 20"
    async with started_docker(tmp_path) as driver:
        small, large = await new_inmate(driver), await new_inmate(driver, memory_mb=256)
        refused, granted = await small.call(take), await large.run(take)

    assert refused.error is not None
    assert refused.error.kind is ErrorKind.OUT_OF_MEMORY
    assert granted == 150


async def test_where_we_cannot_see_the_containers_processes_the_engine_does_it_all(tmp_path):
    take = "answer = len(bytearray({} << 20)) >> 20"
    async with started_docker(tmp_path) as driver:
        inmate = await new_inmate(driver, unseen=True, memory_mb=256)
        granted = await inmate.run(take.format(150))
        refused = await inmate.call(take.format(300))

    assert granted == 150
    assert refused.error is not None
    assert refused.error.kind is ErrorKind.OUT_OF_MEMORY


async def test_processes_are_counted_for_each_container(tmp_path):
    bomb = (
        "import os, signal\n"
        "answer = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: signal.pause()\n"
        "        answer += 1\n"
        "except BlockingIOError: pass\n"
    )
    async with started_docker(tmp_path) as driver:
        bomber, neighbour = await new_inmate(driver), await new_inmate(driver)
        reply = await bomber.call(bomb)
        other = await neighbour.run("import os; answer = os.waitpid(os.fork() or os._exit(0), 0)[1]")

    # With the runtime itself that makes 64.
    assert bytes(reply.output) == b"63"
    assert bomber.guard.reusable is False
    assert other == 0


# How it ends

#: The source, the kind, a piece of the message.
ENDINGS = [
    ("import os; os._exit(3)", ErrorKind.EXITED, "code 3"),
    ("import os; os.abort()", ErrorKind.EXITED, "SIGABRT"),
    ("import ctypes; ctypes.string_at(0)", ErrorKind.EXITED, "SIGSEGV"),
    ("import os; os.kill(os.getpid(), 9)", ErrorKind.EXITED, "SIGKILL"),
    ("bytearray(1 << 30)", ErrorKind.OUT_OF_MEMORY, "128 MB"),
    ("import time; time.sleep(60)", ErrorKind.TIMED_OUT, "2000 ms"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", ErrorKind.TIMED_OUT, "2000 ms"),
]


async def test_every_end_has_its_kind(tmp_path):
    async with started_docker(tmp_path) as driver:
        inmates = await asyncio.gather(*(new_inmate(driver) for _ in ENDINGS))
        calls = zip(inmates, ENDINGS, strict=True)
        replies = await asyncio.gather(*(inmate.call(source, timeout_ms=2000) for inmate, (source, *_) in calls))

    for reply, (source, kind, piece) in zip(replies, ENDINGS, strict=True):
        assert reply.error is not None, source
        assert (source, reply.error.kind) == (source, kind)
        assert piece in reply.error.message


async def test_what_it_wrote_last_is_among_the_logs(tmp_path):
    async with started_inmate(tmp_path) as inmate:
        reply = await inmate.call("import os; os.write(1, b'out, '); os.write(2, b'err'); os._exit(1)")

    assert reply.logs.text == "out, err"
