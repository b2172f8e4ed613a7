"""What is known around a run, gathered for its explanation."""

from contextlib import suppress
from datetime import datetime

from msgspec import Struct

from nanogrid.api.services import Services, WorkerState
from nanogrid.errors import FunctionNotFound
from nanogrid.model import Depth, Function, Quota, Run, RunStatus, Standing

#: Runs that are counted against a limit; a count that reaches this is told as it is.
_MOST_COUNTED = 200


class Facts(Struct, frozen=True, kw_only=True):
    """Everything that an explanation may go by; what is None cannot be told, or is not there any more."""

    run: Run
    now: datetime
    #: The version that the run has.
    function: Function | None
    quota: Quota = Quota()
    depth: Depth | None = None
    standing: Standing | None = None
    #: Names of the tenant's own functions whose tasks come first, by id.
    names: dict[str, str] = {}
    #: Runs under way, of the function and of its tenant; counted only where there is a limit to hold them against.
    function_running: int = 0
    tenant_running: int = 0
    worker: WorkerState | None = None


async def gather(run: Run, services: Services, now: datetime) -> Facts:
    """All that bears on where the run stands now."""
    function = await _function(run, services)
    if run.status is not RunStatus.QUEUED:
        return Facts(run=run, now=now, function=function)
    depth, standing = await services.dispatcher.in_queue(run.run_id)
    quota = services.quotas.of(run.tenant)
    limited = function is not None and function.concurrency > 0
    return Facts(
        run=run,
        now=now,
        function=function,
        quota=quota,
        depth=depth,
        standing=standing,
        names=await _names(standing, run.tenant, services),
        function_running=await _running(run.tenant, run.function_id, services) if limited else 0,
        tenant_running=await _running(run.tenant, None, services) if quota.concurrent_runs else 0,
        worker=services.worker_state(),
    )


async def _function(run: Run, services: Services) -> Function | None:
    try:
        return await services.resource_manager.get(run.function_id, run.version, tenant=run.tenant)
    except FunctionNotFound:
        return None


async def _names(standing: Standing | None, tenant: str, services: Services) -> dict[str, str]:
    names: dict[str, str] = {}
    for ahead in standing.ahead if standing else ():
        if ahead.tenant == tenant:
            with suppress(FunctionNotFound):
                names[ahead.function_id] = (await services.resource_manager.get(ahead.function_id, tenant=tenant)).name
    return names


async def _running(tenant: str, function_id: str | None, services: Services) -> int:
    try:
        page = await services.dispatcher.list_runs(
            tenant=tenant, reference=function_id, status=RunStatus.RUNNING, limit=_MOST_COUNTED, cursor=None
        )
    except FunctionNotFound:
        return 0
    return len(page.items)
