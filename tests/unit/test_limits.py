"""Limits set on a running process from outside, and what the kernel makes of them inside."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nanogrid.sandbox.identities import Identities, Identity, as_real_user, claim_identities
from nanogrid.sandbox.limits import Limits, confine, confine_memory

_WAIT_THEN = "import os, sys; sys.stdin.read(1); "
_LIMITS = Limits(max_open_files=32, max_file_bytes=1000, max_processes=16)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@contextmanager
def started(script: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that does what the script says as soon as it may go on."""
    command = [sys.executable, "-I", "-S", "-c", _WAIT_THEN + script]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    assert process.stdout
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> str:
    return process.communicate("x", timeout=30)[0].strip()


def test_open_files_file_size_and_core_dumps_are_limited() -> None:
    script = "import resource as r; print([r.getrlimit(k) for k in (r.RLIMIT_NOFILE, r.RLIMIT_FSIZE, r.RLIMIT_CORE)])"
    with started(script) as process:
        confine(process.pid, _LIMITS, None, count_processes=False)

        assert finish(process) == "[(32, 32), (1000, 1000), (0, 0)]"


def test_processes_are_not_counted_where_the_user_has_others() -> None:
    before = subprocess.check_output([sys.executable, "-c", "import resource as r; print(r.getrlimit(r.RLIMIT_NPROC))"])
    with started("import resource as r; print(r.getrlimit(r.RLIMIT_NPROC))") as process:
        confine(process.pid, _LIMITS, None, count_processes=False)

        assert finish(process) == before.decode().strip()


def test_memory_is_limited_to_what_is_there_what_is_given_and_the_stacks_of_threads() -> None:
    script = "x = b'x' * 20_000_000; print('first')\ntry: y = bytes(700_000_000)\nexcept MemoryError: print('no more')"
    with started(script) as process:
        confine_memory(process.pid, 50_000_000, None)

        assert finish(process).split("\n") == ["first", "no more"]


def test_a_process_that_is_gone_needs_no_memory_limit() -> None:
    with started("") as process:
        process.communicate("x")

        confine_memory(process.pid, 1, None)


@needs_root
def test_root_sets_the_limits_of_another_user() -> None:
    system = {
        "user": 1_999_999_999,
        "group": 1_999_999_999,
        "extra_groups": [],
        "executable": "/usr/bin/python3",
        "cwd": "/",
    }
    with started("import resource as r; print(r.getrlimit(r.RLIMIT_NPROC))", **system) as process:
        confine(process.pid, _LIMITS, Identity(uid=1_999_999_999, gid=1_999_999_999), count_processes=True)

        assert finish(process) == "(16, 16)"


@needs_root
def test_becoming_a_user_for_a_moment_ends_with_the_moment() -> None:
    with as_real_user(Identity(uid=1_999_999_999, gid=1_999_999_999)):
        inside = (os.getuid(), os.geteuid())

    assert inside == (1_999_999_999, 0)
    assert os.getresuid() == (0, 0, 0)
    assert os.getresgid() == (0, 0, 0)


@needs_root
def test_two_grids_never_have_a_user_in_common() -> None:
    first, second = claim_identities(), claim_identities()
    both = set(first.users or ()) & set(second.users or ())
    first.close()
    second.close()

    assert both == set()


@pytest.mark.parametrize("users", [range(1), range(1000), range(999, 2_000_000_000)])
def test_users_that_others_may_have_are_never_for_sandboxes(users: range) -> None:
    """All their processes are killed when a grid starts, so no mistake may get through here."""
    with pytest.raises(ValueError, match="not for sandboxes"):
        Identities(users)


def test_no_sandbox_is_root() -> None:
    with pytest.raises(ValueError, match="user 0"):
        Identity(uid=0, gid=0)
