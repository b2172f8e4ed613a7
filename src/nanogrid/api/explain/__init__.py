"""The handler that explains a run: why it waits, or ended as it did, and what to do next."""

from nanogrid.api.explain.ends import failed, running, succeeded
from nanogrid.api.explain.facts import Facts, gather
from nanogrid.api.explain.records import Account, Explanation
from nanogrid.api.explain.waits import waiting
from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.runs import seen_run_id
from nanogrid.api.services import Services
from nanogrid.model import RunStatus

__all__ = ["Explanation", "explain_run"]


async def explain_run(request: Request, services: Services) -> Answer:
    """Why the run stands where it does."""
    run_id = await seen_run_id(request, services, request.params["id"])
    run = await services.dispatcher.get(run_id, tenant=request.tenant)
    account = _account(await gather(run, services, services.clock.now()))
    told = {name: getattr(account, name) for name in account.__struct_fields__}
    return json_answer(
        Explanation(run_id=run.run_id, function_name=run.function_name, version=run.version, status=run.status, **told)
    )


def _account(facts: Facts) -> Account:
    match facts.run.status:
        case RunStatus.QUEUED:
            return waiting(facts)
        case RunStatus.RUNNING:
            return running(facts)
        case RunStatus.SUCCEEDED:
            return succeeded(facts)
        case _:
            return failed(facts)
