"""A function with network `outbound` reaches the internet, and nothing that is near."""

import os

import pytest

from apart_engine import INTERNET, METADATA, NEIGHBOUR, OWN_ADDRESSES, PORT, apart_engine, missing_tools
from docker_cells import SOCKET, have_images, needs_docker, new_inmate, started_docker
from nanogrid.model import Network
from nanogrid.sandbox.docker_network import OutboundNetwork
from nanogrid.sandbox.engine import Engine

pytestmark = needs_docker
#: Which of the addresses can be connected to.
REACHED = """
import socket
answer = []
for address in {}:
    try:
        socket.create_connection((address, {}), 3).close()
        answer.append(address)
    except OSError:
        pass
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network to test in")
@pytest.mark.skipif(bool(missing_tools()) and os.environ.get("CI") != "true", reason=f"without {missing_tools()}")
async def test_the_internet_is_reached_and_no_neighbour_and_not_this_machine(tmp_path):
    await _have_images()
    async with apart_engine("nanogrid/python") as apart:
        network = OutboundNetwork(iptables=apart.run)
        async with started_docker(tmp_path, engine=Engine(apart.socket), outbound=network, build=False) as driver:
            assert driver.why_not(Network.OUTBOUND) == ""
            inmate = await new_inmate(driver, network=Network.OUTBOUND)
            other = await new_inmate(driver, network=Network.OUTBOUND)
            addresses = [INTERNET, NEIGHBOUR, METADATA, *OWN_ADDRESSES, await _listening(other), await _gateway(inmate)]
            near = [apart.run(["bash", "-c", f"</dev/tcp/{address}/{PORT}"]) for address in (NEIGHBOUR, METADATA)]
            reached = await inmate.run(REACHED.format(addresses, PORT))

    assert near == ["", ""]  # they are there to be reached
    assert reached == [INTERNET]


async def _have_images() -> None:
    engine = Engine(SOCKET)
    await engine.agree()
    await have_images(engine)
    await engine.close()


async def _listening(inmate) -> str:
    """The address of a function that listens."""
    return await inmate.run(
        "import socket, builtins\n"
        f"builtins.kept = socket.create_server(('0.0.0.0', {PORT}))\n"
        "answer = socket.gethostbyname(socket.gethostname())\n"
    )


async def _gateway(inmate) -> str:
    """Of the machine, the address that the function's network knows."""
    number = await inmate.run("answer = open('/proc/net/route').read().splitlines()[1].split()[2]")
    return ".".join(str(part) for part in reversed(bytes.fromhex(number)))


# What is said where it can't be


NO_ENGINE = Engine(SOCKET.with_name("nobody.sock"))


class FakeIptables:
    """Complains of the commands that begin so."""

    def __init__(self, *complaints: str) -> None:
        self.complaints = complaints
        self.commands: list[str] = []

    def __call__(self, command, text):
        self.commands.append(" ".join(command))
        return "no" if self.commands[-1].startswith(self.complaints) else ""


#: What fails: to see the engine's chain, to set ours, to lead anything there.
@pytest.mark.parametrize(
    "complaints", [("iptables -S",), ("iptables-restore",), ("iptables -C INPUT", "iptables -I INPUT")]
)
async def test_without_a_whole_filter_nothing_is_opened(complaints):
    network = OutboundNetwork(iptables=FakeIptables(*complaints))
    await network.open(NO_ENGINE)

    assert network.why_not == "without a filter it would open this machine's neighbours to functions (no)."


async def test_what_is_hooked_in_already_is_not_hooked_in_again():
    iptables = FakeIptables("iptables -C INPUT")
    await OutboundNetwork(iptables=iptables).open(NO_ENGINE)

    assert [command for command in iptables.commands if " -I " in command] == [
        "iptables -I INPUT -i nanogrid0 -j REJECT"
    ]
