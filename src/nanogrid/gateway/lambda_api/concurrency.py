"""Handlers about how much runs at once, and how much there may be."""

from msgspec import structs

from nanogrid.api.message import Answer
from nanogrid.change import Change
from nanogrid.gateway.lambda_api.call import Call, Shape
from nanogrid.gateway.lambda_api.notes import keep, note_of
from nanogrid.gateway.lambda_api.references import latest
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function

_MOST = 10_000
#: AWS' own, where this grid has no limit.
_TOTAL_CODE = 75 * 1024**3
_CODE_ZIPPED = 50 * 1024**2
_CODE_UNZIPPED = 250 * 1024**2
_RUNS = 1000


class Reservation(Shape, frozen=True, kw_only=True):
    """`PutFunctionConcurrency`."""

    reserved_concurrent_executions: int | None = None


async def put_function_concurrency(call: Call) -> Answer:
    """Let so many runs be under way at once; 0 lets none begin through this API."""
    asked = call.body(Reservation).reserved_concurrent_executions
    constraints = Constraints()
    constraints.given("reservedConcurrentExecutions", asked)
    constraints.at_least("reservedConcurrentExecutions", asked, 0)
    constraints.at_most("reservedConcurrentExecutions", asked, _MOST)
    constraints.check()
    await _reserve(call, await latest(call), asked)
    return call.answer({"ReservedConcurrentExecutions": asked})


async def get_function_concurrency(call: Call) -> Answer:
    """How many may be under way at once, if that was said."""
    kept = await note_of(call, (await latest(call)).function_id)
    reserved = kept.value.reserved
    return call.answer({} if reserved is None else {"ReservedConcurrentExecutions": reserved})


async def delete_function_concurrency(call: Call) -> Answer:
    """Let as many be under way as there is room for."""
    await _reserve(call, await latest(call), None)
    return call.answer(status=204)


async def get_account_settings(call: Call) -> Answer:
    """What the tenant may have, and what it has."""
    quota, usage = call.services.quotas.of(call.tenant), await call.services.quotas.usage(call.tenant)
    runs = quota.concurrent_runs or _RUNS
    limit = {
        "TotalCodeSize": quota.code_bytes or _TOTAL_CODE,
        "CodeSizeUnzipped": _CODE_UNZIPPED,
        "CodeSizeZipped": _CODE_ZIPPED,
        "ConcurrentExecutions": runs,
        "UnreservedConcurrentExecutions": runs,
    }
    used = {"TotalCodeSize": usage.code_bytes, "FunctionCount": usage.functions}
    return call.answer({"AccountLimit": limit, "AccountUsage": used})


async def _reserve(call: Call, function: Function, reserved: int | None) -> None:
    kept = await note_of(call, function.function_id)
    if function.concurrency != (reserved or 0):
        change = Change(concurrency=reserved or 0)
        await call.services.resource_manager.update(
            function.function_id, change, tenant=call.tenant, check_handler=False
        )
    await keep(call, function.function_id, structs.replace(kept.value, reserved=reserved), kept)
