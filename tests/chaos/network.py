"""Harm that a proxy does to whatever speaks through it."""

import asyncio

from chaos.proxy import Proxy
from chaos.system import Harm

_SLOW_S = 2.0


class Network:
    """One stretch of the network; `to` says in the timeline where it leads."""

    def __init__(self, proxy: Proxy, to: str) -> None:
        self._proxy = proxy
        self._to = to

    def harms(self, name: str) -> dict[str, Harm]:
        """The kinds of fault, each with that name behind it."""
        return {f"cut-{name}": self._cut, f"slow-{name}": self._slow, f"half-open-{name}": self._half_open}

    async def _cut(self, strength: float) -> str:
        self._proxy.cut()
        return f"every connection to {self._to} reset"

    async def _slow(self, strength: float) -> str:
        self._proxy.delay_s = 0.05 + strength * 0.3
        said = f"{self._to} {1000 * self._proxy.delay_s:.0f} ms late for {_SLOW_S:.0f} s"
        await asyncio.sleep(_SLOW_S)
        self._proxy.heal()
        return said

    async def _half_open(self, strength: float) -> str:
        seconds = 1 + 2 * strength
        self._proxy.fall_silent()
        await asyncio.sleep(seconds)
        self._proxy.cut()
        self._proxy.heal()
        return f"connections to {self._to} silent for {seconds:.1f} s, then reset"
