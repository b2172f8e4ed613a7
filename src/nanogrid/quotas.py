"""What a tenant may have and do at once: functions, code, runs, tasks that wait.

All quotas are in memory, so that a run costs one look-up. What changes here is known here at once; what another process
changes, at the next `refresh`. Runs per minute are counted by each process for itself.
"""

import math
from datetime import timedelta

import msgspec
from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.errors import QuotaReached, RunQuotaReached
from nanogrid.model import Function, Quota, TenantUsage
from nanogrid.ports import RecordStore, Registry
from nanogrid.ports.listing import all_records

_KIND = "quota"
_SCHEDULE_KIND = "schedule"
_PAGE = 200
_MINUTE_S = 60.0

UNLIMITED = Quota()

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Quota)


class _Bucket:
    """Runs that may still begin: filled evenly over a minute, to a minute's worth at most."""

    __slots__ = ("filled_at", "runs")

    def __init__(self, runs: float, now: float) -> None:
        self.runs = runs
        self.filled_at = now

    def wait_s(self, per_minute: int, now: float) -> float:
        """Take one run: 0, or how many seconds until there is one."""
        self.runs = min(per_minute, self.runs + (now - self.filled_at) * per_minute / _MINUTE_S)
        self.filled_at = now
        if self.runs < 1:
            return (1 - self.runs) * _MINUTE_S / per_minute
        self.runs -= 1
        return 0.0


class Quotas:
    """Keeps quotas, and refuses what goes beyond them."""

    def __init__(self, record_store: RecordStore, registry: Registry, clock: Clock) -> None:
        """Call `refresh` before anything else."""
        self._record_store = record_store
        self._registry = registry
        self._clock = clock
        self._quotas: dict[str, Quota] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._read_at = float("-inf")

    async def refresh(self, *, max_age_s: float = 0.0) -> None:
        """Read all quotas again, unless that was done within so many seconds."""
        if self._clock.monotonic() - self._read_at < max_age_s:
            return
        self._read_at = self._clock.monotonic()
        self._quotas = {
            record.name: _decoder.decode(record.value) async for record in all_records(self._record_store, _KIND)
        }

    def of(self, tenant: str) -> Quota:
        """The tenant's quota; without limits where nobody has set one."""
        return self._quotas.get(tenant, UNLIMITED)

    async def put(self, tenant: str, quota: Quota) -> None:
        """Set the tenant's quota. Raises `RevisionConflict` where somebody else does so, too."""
        known = await self._record_store.get(_KIND, tenant)
        revision = known.revision if known else None
        await self._record_store.put(_KIND, tenant, Raw(_encoder.encode(quota)), revision=revision)
        self._quotas[tenant] = quota
        self._buckets.pop(tenant, None)

    def admit_run(self, tenant: str) -> Quota:
        """The quota under which one more run of the tenant may begin. Raises `RunQuotaReached`."""
        quota = self._quotas.get(tenant)
        if quota is None:
            return UNLIMITED
        if quota.runs_per_minute:
            self._take_run(tenant, quota.runs_per_minute)
        return quota

    async def check_room(self, function: Function) -> None:
        """Raise `QuotaReached` where this function, or this version of one, with its new code is too much."""
        quota = self.of(function.tenant)
        if not quota.functions and not quota.code_bytes:
            return
        used = await self.usage(function.tenant)
        if quota.functions and function.version == 1 and used.functions >= quota.functions:
            raise _reached(function.tenant, f"{quota.functions} functions", "Delete one that is not needed any more.")
        if quota.code_bytes and used.code_bytes + function.code_size > quota.code_bytes:
            raise _reached(
                function.tenant,
                f"{quota.code_bytes} bytes of code, of which {used.code_bytes} are used",
                "Delete functions whose old versions are not needed any more.",
            )

    async def check_schedule(self, tenant: str, *, gap: timedelta, another: bool) -> None:
        """Raise `QuotaReached` where the tenant may not have another schedule, or none with due times so close."""
        quota = self.of(tenant)
        if timedelta(milliseconds=quota.schedule_interval_ms) > gap:
            raise _reached(
                tenant,
                f"schedules with {quota.schedule_interval_ms} ms between two due times, and this one has less",
                "Let it fire less often.",
            )
        if another and quota.schedules and await self._schedules(tenant) >= quota.schedules:
            raise _reached(tenant, f"{quota.schedules} schedules", "Delete one that is not needed any more.")

    async def usage(self, tenant: str) -> TenantUsage:
        """What the tenant has. Reads every version of every function of his."""
        count, sizes = 0, dict[str, int]()
        cursor: str | None = None
        while True:
            page = await self._registry.list_functions(tenant=tenant, limit=_PAGE, cursor=cursor)
            count += len(page.items)
            for function in page.items:
                versions = await self._registry.versions(function.function_id)
                sizes |= {version.code_sha256: version.code_size for version in versions}
            cursor = page.next_cursor
            if cursor is None:
                schedules = await self._schedules(tenant)
                return TenantUsage(functions=count, code_bytes=sum(sizes.values()), schedules=schedules)

    async def _schedules(self, tenant: str) -> int:
        return len([record async for record in all_records(self._record_store, _SCHEDULE_KIND, prefix=f"{tenant}/")])

    def _take_run(self, tenant: str, per_minute: int) -> None:
        now = self._clock.monotonic()
        bucket = self._buckets.get(tenant)
        if bucket is None:
            bucket = self._buckets[tenant] = _Bucket(per_minute, now)
        wait_s = bucket.wait_s(per_minute, now)
        if wait_s:
            raise RunQuotaReached(
                f"the tenant {tenant!r} may begin {per_minute} runs in a minute.",
                retry_after_s=math.ceil(wait_s),
                hint="Wait as Retry-After says, or ask the grid's owner for more.",
            )


def _reached(tenant: str, what: str, hint: str) -> QuotaReached:
    return QuotaReached(f"the tenant {tenant!r} may have {what}.", hint=hint)
