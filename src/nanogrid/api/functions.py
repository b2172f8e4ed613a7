"""The handlers about functions."""

import asyncio
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, structs

from nanogrid.api.log_lines import follow_lines, recent_lines
from nanogrid.api.message import JSON, MULTIPART, Answer, Request, Stream, json_answer
from nanogrid.api.multipart import parse_multipart
from nanogrid.api.reading import check_media_type, convert, read_json, read_query
from nanogrid.api.records import (
    MAX_ENVIRONMENT_BYTES,
    Deployment,
    FunctionDetail,
    LogLines,
    LogsQuery,
    PageQuery,
    Update,
    VersionQuery,
)
from nanogrid.api.services import Services
from nanogrid.errors import FunctionNotFound, InvalidField
from nanogrid.identifiers import is_function_reference
from nanogrid.model import Function
from nanogrid.ports import Page
from nanogrid.sizing import recommend

U = TypeVar("U", bound=Update)

#: Recent runs that a recommendation, and a listing of log lines, looks at.
_RECENT_RUNS = 100
_RUNS_WITH_LINES = 50
_NOT_FOLLOWED = "Lines cannot be followed here: these are the latest. Ask again for newer ones."


async def deploy(request: Request, services: Services) -> Answer:
    """Make a function with its first version."""
    deployment = await _read_change(request, Deployment)
    if deployment.secrets is not UNSET:
        await services.secret_store.check(deployment.secrets, tenant=request.tenant)
    function = await services.resource_manager.deploy(deployment.name, deployment, tenant=request.tenant)
    return json_answer(function, status=201, headers=(("location", f"/functions/{function.function_id}"),))


async def list_functions(request: Request, services: Services) -> Answer:
    """The latest versions by name."""
    query = read_query(request, PageQuery)
    page = await services.resource_manager.list_functions(tenant=request.tenant, limit=query.limit, cursor=query.cursor)
    return json_answer(page)


async def get_function(request: Request, services: Services) -> Answer:
    """One version of a function, with what its recent runs recommend."""
    query = read_query(request, VersionQuery)
    function = await services.resource_manager.get(function_reference(request), query.version, tenant=request.tenant)
    recent = await services.dispatcher.list_runs(
        tenant=request.tenant, reference=function.function_id, status=None, limit=_RECENT_RUNS, cursor=None
    )
    memory_mb, timeout_ms = recommend(run for run in recent.items if run.version == function.version)
    return json_answer(
        FunctionDetail(
            **structs.asdict(function),
            recommended_memory_mb=memory_mb or UNSET,
            recommended_timeout_ms=timeout_ms or UNSET,
        )
    )


async def list_versions(request: Request, services: Services) -> Answer:
    """All versions of a function, latest first."""
    versions = await services.resource_manager.versions(function_reference(request), tenant=request.tenant)
    return json_answer(Page[Function](items=versions))


async def update_function(request: Request, services: Services) -> Answer:
    """Make the next version."""
    change = await _read_change(request, Update)
    if change.secrets is not UNSET:
        await services.secret_store.check(change.secrets, tenant=request.tenant)
    return json_answer(
        await services.resource_manager.update(function_reference(request), change, tenant=request.tenant)
    )


async def delete_function(request: Request, services: Services) -> Answer:
    """Remove a function with its versions and what code nobody else uses."""
    function = await services.resource_manager.delete(function_reference(request), tenant=request.tenant)
    await forget(function, services)
    return Answer(status=204)


async def forget(function: Function, services: Services) -> None:
    """Forget what is kept beside a function that is gone."""
    await services.aliases.forget_all(function.function_id)
    await services.annotations.forget_all(function.function_id)
    await services.schedules.forget_all(function)


async def read_logs(request: Request, services: Services) -> Answer | Stream:
    """The latest log lines, or those from now on."""
    query = read_query(request, LogsQuery)
    function = await services.resource_manager.get(function_reference(request), tenant=request.tenant)
    if query.follow and services.streams:
        lines = services.log_feed.follow(function.function_id)
        return Stream(pieces=follow_lines(lines, heartbeat_s=services.heartbeat_s))
    page = await services.dispatcher.list_runs(
        tenant=request.tenant, reference=function.function_id, status=None, limit=_RUNS_WITH_LINES, cursor=None
    )
    note = _NOT_FOLLOWED if query.follow else UNSET
    return json_answer(LogLines(lines=recent_lines(page.items, query.limit), note=note))


def function_reference(request: Request) -> str:
    """The function's id or name in the path; nothing else gets further."""
    reference = request.params["id"]
    if not is_function_reference(reference):
        raise FunctionNotFound(f"there is no function {reference[:80]!r}.", hint="GET /functions lists them.")
    return reference


async def _read_change(request: Request, kind: type[U]) -> U:
    if check_media_type(request.headers, JSON, MULTIPART) == JSON:
        change = await read_json(request, kind)
    else:
        change = await asyncio.to_thread(_from_parts, request, kind)
    if change.environment is not UNSET:
        _check_environment(change.environment)
    return change


def _from_parts(request: Request, kind: type[U]) -> U:
    """A multipart body as the same struct: texts, the archive as bytes, the environment as JSON."""
    # As many parts as there are fields: each may come once.
    parts = parse_multipart(request.body, request.headers, max_parts=len(_fields(kind)))
    values = {name: value if name == "zip" else _part_value(name, value) for name, value in parts.items()}
    return convert(values, kind, prefix="$.")


def _part_value(name: str, value: bytes) -> object:
    path = f"$.{name[:80]}"
    try:
        return msgspec.json.decode(value) if name in ("environment", "secrets") else value.decode()
    except msgspec.DecodeError as exc:
        raise InvalidField(f"{path}: no JSON object: {exc}.", path=path) from exc
    except UnicodeDecodeError as exc:
        raise InvalidField(f"{path}: not UTF-8 at byte {exc.start}.", path=path) from exc


def _fields(kind: type[Struct]) -> tuple[str, ...]:
    return kind.__struct_fields__


def _check_environment(environment: dict[str, str]) -> None:
    """What the types cannot say. A pattern's `$` lets a last line feed pass, so the names are looked at again."""
    for name, value in environment.items():
        if not name.isidentifier() or "\0" in value:
            raise InvalidField(f"{name[:80]!r} cannot be set.", path="$.environment", hint="No NUL, no line feed.")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size > MAX_ENVIRONMENT_BYTES:
        raise InvalidField(
            f"the environment has {size} bytes; {MAX_ENVIRONMENT_BYTES} are allowed.", path="$.environment"
        )
