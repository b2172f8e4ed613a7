"""The network of functions that may reach the internet, but neither this machine nor its neighbours.

A bridge of our own, with a filter in front of it: without the filter a function could ask the cloud's metadata address
for the machine's keys. Where the filter can't be set, there is no such network.
"""

import asyncio
import os
import subprocess
from collections.abc import Callable, Sequence

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.engine import Engine

_NAME = "nanogrid-outbound"
_BRIDGE = "nanogrid0"
_CHAIN = "NANOGRID"
_OPTIONS = {
    "com.docker.network.bridge.name": _BRIDGE,
    # Functions do not see each other.
    "com.docker.network.bridge.enable_icc": "false",
}
#: Everything that is not the internet (RFC 6890): private networks, metadata addresses, loopback, multicast.
_CLOSED = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
)
#: On the internet; those that the machine asks are mostly its neighbours.
_NAME_SERVERS = ("1.1.1.1", "9.9.9.9")
_TIMEOUT_S = 10.0

#: Runs a program of the iptables family with these arguments and this input; returns what it complains of. Blocks.
Iptables = Callable[[Sequence[str], str], str]


class OutboundNetwork:
    """One for all grids of an engine; it stays when they end."""

    name = _NAME

    def __init__(self, *, name_servers: Sequence[str] = _NAME_SERVERS, iptables: Iptables | None = None) -> None:
        """`name_servers` are asked by functions, and must lie on the internet."""
        self.name_servers = list(name_servers)
        #: Why there is none; empty where there is.
        self.why_not = "it has not been opened."
        self._iptables = iptables or _run_iptables

    async def open(self, engine: Engine) -> None:
        """Make the network and its filter where they are missing; else say in `why_not` what prevents it."""
        complaint = await asyncio.to_thread(self._close_the_rest) or await _make(engine)
        if complaint:
            complaint = f"without a filter it would open this machine's neighbours to functions ({complaint})."
        self.why_not = complaint

    def _close_the_rest(self) -> str:
        """Set the filter, before there is anything behind it; what prevents that."""
        # The engine's own chain for rules of others; without it the engine filters nothing.
        if complaint := self._iptables(["iptables", "-S", "DOCKER-USER"], ""):
            return complaint
        # In one step, so that there is no moment without rules where another grid has set them already.
        chain = ["*filter", f":{_CHAIN} - [0:0]", *(f"-A {_CHAIN} -d {closed} -j REJECT" for closed in _CLOSED)]
        complaint = self._iptables(["iptables-restore", "--noflush"], "\n".join([*chain, "COMMIT", ""]))
        return complaint or self._hook("DOCKER-USER", _CHAIN) or self._hook("INPUT", "REJECT")

    def _hook(self, chain: str, target: str) -> str:
        """Lead what comes from the bridge there; what prevents that."""
        rule = [chain, "-i", _BRIDGE, "-j", target]
        if not self._iptables(["iptables", "-C", *rule], ""):
            return ""
        return self._iptables(["iptables", "-I", *rule], "")


async def _make(engine: Engine) -> str:
    """Make the network where it is missing; what prevents that."""
    try:
        options = await engine.network_options(_NAME)
        if options is None:
            await engine.create_network({"Name": _NAME, "Driver": "bridge", "EnableIPv6": False, "Options": _OPTIONS})
    except SandboxUnavailable as exc:
        return str(exc)
    if options not in (None, _OPTIONS):
        return f"the engine has a network {_NAME} that is not ours: docker network rm {_NAME}"
    return ""


def _run_iptables(command: Sequence[str], text: str) -> str:
    if os.geteuid() != 0:
        return "only root can set one"
    try:
        done = subprocess.run(
            [*command, "--wait"], input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"{command[0]} can't be run: {exc}"
    said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return "" if done.returncode == 0 else f"{command[0]}: {said[-1]}"
