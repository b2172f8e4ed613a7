"""The handlers about versions: going back, aliases, code."""

from nanogrid.aliases import Alias
from nanogrid.api.functions import function_reference
from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.reading import read_json, read_query
from nanogrid.api.records import AliasChange, AliasMoved, Rollback, VersionQuery
from nanogrid.api.services import Services
from nanogrid.ports import Page

ZIP = "application/zip"


async def roll_back(request: Request, services: Services) -> Answer:
    """Make a new version that is as an earlier one."""
    asked = await read_json(request, Rollback)
    function = await services.resource_manager.roll_back(
        function_reference(request), asked.version, tenant=request.tenant
    )
    return json_answer(function)


async def list_aliases(request: Request, services: Services) -> Answer:
    """A function's aliases by name."""
    return json_answer(Page[Alias](items=await services.aliases.of(function_reference(request), tenant=request.tenant)))


async def get_alias(request: Request, services: Services) -> Answer:
    """One alias."""
    alias = await services.aliases.get(function_reference(request), request.params["alias"], tenant=request.tenant)
    return json_answer(alias)


async def put_alias(request: Request, services: Services) -> Answer:
    """Move an alias, or make it; answered when what it moves to is warm."""
    asked = await read_json(request, AliasChange)
    moved, warm_ms = await services.aliases.put(
        function_reference(request), request.params["alias"], asked.version, asked.weights, tenant=request.tenant
    )
    return json_answer(
        AliasMoved(**{field: getattr(moved, field) for field in moved.__struct_fields__}, warm_ms=warm_ms)
    )


async def delete_alias(request: Request, services: Services) -> Answer:
    """Let an alias mean nothing any more."""
    await services.aliases.delete(function_reference(request), request.params["alias"], tenant=request.tenant)
    return Answer(status=204)


async def get_code(request: Request, services: Services) -> Answer:
    """A version's code, as the canonical archive."""
    query = read_query(request, VersionQuery)
    function, archive = await services.resource_manager.code(
        function_reference(request), query.version, tenant=request.tenant
    )
    name = f'attachment; filename="{function.name}-{function.version}.zip"'
    return Answer(body=archive, media_type=ZIP, headers=(("content-disposition", name),))
