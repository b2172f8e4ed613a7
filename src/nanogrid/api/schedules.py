"""The handlers about schedules. To schedule a function is to run it: a key needs scope and function for that."""

from msgspec import UNSET

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.reading import read_json, read_query
from nanogrid.api.records import NewSchedule, SchedulesQuery, ScheduleUpdate
from nanogrid.api.runs import check_runnable
from nanogrid.api.services import Services
from nanogrid.errors import FunctionNotFound
from nanogrid.identifiers import is_function_reference, is_run_reference
from nanogrid.model import Scope
from nanogrid.schedule import Schedule


async def create_schedule(request: Request, services: Services) -> Answer:
    """Make a schedule."""
    asked = await read_json(request, NewSchedule)
    await _check_function(asked.function, request, services)
    schedule = await services.schedules.create(asked.name, asked, tenant=request.tenant)
    return json_answer(schedule, status=201, headers=(("location", f"/schedules/{schedule.name}"),))


async def list_schedules(request: Request, services: Services) -> Answer:
    """Schedules by name, of one function or all."""
    query = read_query(request, SchedulesQuery)
    of = None
    if query.function_id is not None:
        if not is_function_reference(query.function_id):
            raise _no_function(query.function_id)
        of = (await services.resource_manager.get(query.function_id, tenant=request.tenant)).function_id
    page = await services.schedules.list_schedules(
        tenant=request.tenant,
        limit=query.limit,
        cursor=query.cursor,
        shows=lambda schedule: of in (None, schedule.function_id) and _may_see(request, schedule),
    )
    return json_answer(page)


async def get_schedule(request: Request, services: Services) -> Answer:
    """One schedule, with its next due times and what came of the latest."""
    schedule = await services.schedules.get(request.params["name"], tenant=request.tenant)
    if not _may_see(request, schedule):
        await check_runnable(_function(schedule), request, services)
    return json_answer(schedule)


async def change_schedule(request: Request, services: Services) -> Answer:
    """Change a schedule; what is absent stays."""
    asked = await read_json(request, ScheduleUpdate)
    await _check_own(request, services)
    if asked.function is not UNSET:
        await _check_function(asked.function, request, services)
    return json_answer(await services.schedules.change(request.params["name"], asked, tenant=request.tenant))


async def delete_schedule(request: Request, services: Services) -> Answer:
    """Forget a schedule."""
    await _check_own(request, services)
    await services.schedules.delete(request.params["name"], tenant=request.tenant)
    return Answer(status=204)


async def _check_own(request: Request, services: Services) -> None:
    """Raise `ScopeMissing` where the schedule is of a function that the key may not run."""
    if request.principal is not None and request.principal.functions is not None:
        schedule = await services.schedules.get(request.params["name"], tenant=request.tenant)
        await check_runnable(_function(schedule), request, services)


async def _check_function(reference: str, request: Request, services: Services) -> None:
    if not is_run_reference(reference):
        raise _no_function(reference)
    await check_runnable(reference, request, services)


def _may_see(request: Request, schedule: Schedule) -> bool:
    """Who reads sees all; who only runs some functions sees theirs."""
    principal = request.principal
    if principal is None or principal.functions is None or Scope.READ in principal.scopes:
        return True
    return _function(schedule) in principal.functions


def _function(schedule: Schedule) -> str:
    return schedule.function.partition(":")[0]


def _no_function(reference: str) -> FunctionNotFound:
    return FunctionNotFound(f"there is no function {reference[:80]!r}.", hint="GET /functions lists them.")
