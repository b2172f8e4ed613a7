"""Who holds which token of a grid on AWS: the owners, whom SSM knows, and the keys, which the record store has."""

from collections import ChainMap
from collections.abc import Mapping
from typing import cast

from nanogrid.clock import Clock
from nanogrid.cloud.control_plane.owners import Owners
from nanogrid.cloud.control_plane.tokens import GRACE_S
from nanogrid.errors import PlatformError
from nanogrid.key_ring import KeyRing
from nanogrid.model import Principal
from nanogrid.quotas import Quotas


class Principals:
    """Reads all of them. Quotas are read with them, for they change as seldom."""

    def __init__(self, owners: Owners, key_ring: KeyRing, quotas: Quotas, clock: Clock) -> None:
        """Nothing is read yet."""
        self._owners = owners
        self._key_ring = key_ring
        self._quotas = quotas
        self._clock = clock
        self._names: dict[str, str] = {}
        self._named_at = float("-inf")

    async def read(self) -> Mapping[str, Principal]:
        """Who holds which token, by its digest. Raises `StoreUnavailable`."""
        principals = {digest: Principal(name=name) for digest, name in (await self._owners_names()).items()}
        await self._key_ring.refresh()
        await self._quotas.refresh()
        return ChainMap(principals, cast("dict[str, Principal]", self._key_ring.principals))

    async def _owners_names(self) -> dict[str, str]:
        """While SSM is away the owners hold on for a while, so that it keeps no revoked key alive."""
        now = self._clock.monotonic()
        try:
            self._names = await self._owners.names()
            self._named_at = now
        except PlatformError:
            if now - self._named_at >= GRACE_S:
                raise
        return self._names
