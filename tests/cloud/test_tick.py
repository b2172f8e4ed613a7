"""What a tick knows that no request has told it."""

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.cloud.control_plane.scheduling import WITHIN_S, tick
from nanogrid.model import Quota
from nanogrid.quotas import Quotas
from nanogrid.scheduler import Served


class IdleScheduler:
    """Nothing is due."""

    async def serve(self, *, within_s):
        return Served(None, {("asked for", str(within_s))})


async def test_an_environment_that_only_ticks_knows_the_quotas_that_others_have_set(tmp_path):
    clock = ManualClock()
    async with open_local(tmp_path, clock) as backend:
        quotas, elsewhere = (Quotas(backend.record_store, backend.registry, clock) for _ in range(2))
        await quotas.refresh()
        await elsewhere.put("acme", Quota(runs_per_minute=7))
        await clock.advance(60)
        served = await tick(IdleScheduler(), quotas)

    assert quotas.of("acme") == Quota(runs_per_minute=7)
    assert served.awaited == {("asked for", str(WITHIN_S))}
