"""What is asked of an engine before a function is let in."""

import pytest
from msgspec import structs

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.docker_probe import check, describe
from nanogrid.sandbox.engine_answers import Info, Part, Version

INFO = Info(cgroup_driver="cgroupfs")
VERSION = Version(version="20.10.24", api_version="1.41", min_api_version="1.12")


@pytest.mark.parametrize(("change", "said"), [("memory_limit", "memory"), ("pids_limit", "processes")])
def test_an_engine_that_would_drop_a_limit_is_refused(change, said):
    with pytest.raises(SandboxUnavailable, match=f"can't limit {said}"):
        check(structs.replace(INFO, **{change: False}))


#: As Debian and Docker number them: the last ones with the faults of 2025, and the first ones without.
@pytest.mark.parametrize(
    ("runc", "faulty"),
    [
        ("1.1.5+ds1", True),
        ("1.2.7", True),
        ("1.2.8", False),
        ("1.3.2", True),
        ("1.3.3", False),
        ("1.4.0", False),
        ("2.0.0", False),
        ("unknown", False),
    ],
)
def test_a_runc_with_known_faults_is_noted(runc, faulty):
    said = describe(structs.replace(VERSION, components=[Part(name="runc", version=runc)]), INFO)

    assert any("CVE" in line for line in said) is faulty
