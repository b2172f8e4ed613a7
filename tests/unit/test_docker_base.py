"""Where a machine's own packages come from."""

import pytest

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.docker_base import Mirror, find_mirror

DEB822 = """Types: deb
# a comment, and a suite of its own
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
"""
#: The file below etc/apt, and what it says.
SOURCES = {
    "sources.list.d/debian.sources": DEB822,
    "sources.list": "# deb http://old.example sid main\n"
    "deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.example/debian bookworm main contrib\n",
    "sources.list.d/own.list": "deb\thttp://mirror.example/debian\tbookworm main\n",
}


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('NAME="Debian"\nVERSION_CODENAME=bookworm\n')
    return tmp_path


@pytest.mark.parametrize("file", SOURCES)
def test_the_mirror_of_the_machines_own_suite_is_found(etc, file):
    (etc / "apt" / file).write_text(SOURCES[file])

    assert find_mirror(etc) == Mirror(address="http://mirror.example/debian", suite="bookworm")


#: What names no mirror: another distribution's packages, sources alone, a source that is switched off.
@pytest.mark.parametrize(
    "text",
    [
        DEB822.replace("bookworm", "trixie"),
        DEB822.replace("Types: deb", "Types: deb-src"),
        "Enabled: no\n" + DEB822,
        "",
    ],
)
def test_what_is_no_mirror_of_ours_is_not_taken(etc, text):
    (etc / "apt" / "sources.list.d" / "debian.sources").write_text(text)

    with pytest.raises(SandboxUnavailable, match=r"no mirror.*--base IMAGE"):
        find_mirror(etc)
