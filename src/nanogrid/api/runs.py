"""The handlers about runs."""

from contextlib import suppress

from msgspec import UNSET, structs

from nanogrid.api.message import EVENTS, Answer, Request, Stream, json_answer
from nanogrid.api.preferences import Preferences, read_idempotency, read_preferences, read_traceparent
from nanogrid.api.reading import read_json, read_query
from nanogrid.api.records import PageQuery, RunRequest, RunsQuery, WaitQuery
from nanogrid.api.run_events import run_events
from nanogrid.api.services import Services
from nanogrid.api.streamed_run import StreamedRun, left_on_failure, part_streams_of
from nanogrid.dispatcher import no_run
from nanogrid.errors import FunctionNotFound, MalformedRequest, RunNotFound, ScopeMissing, TooLarge
from nanogrid.identifiers import is_function_reference, is_run_id, is_run_reference
from nanogrid.model import MAX_INPUT_BYTES, NULL, Mode, Run, Scope
from nanogrid.part_streams import PartStreams


async def run_function(request: Request, services: Services) -> Answer | Stream:
    """Run a function, and answer with how it ended, with where to ask later, or with what it yields as it does."""
    asked = await read_json(request, RunRequest)
    _check(asked, request)
    await check_runnable(asked.function_id, request, services)
    preferences = read_preferences(request.headers)
    idempotency = read_idempotency(request.headers, request.body)
    asynchronous = preferences.respond_async or asked.mode is Mode.ASYNC
    part_streams = part_streams_of(services)
    if EVENTS in request.headers.get("accept", "") and part_streams is not None and not asynchronous:
        if idempotency is not None:
            raise MalformedRequest("a run that is streamed can't have an Idempotency-Key.", hint="Leave out one.")
        return await _stream(asked, request, services, part_streams)
    run = await services.dispatcher.run(
        asked.function_id,
        NULL if asked.input is UNSET else asked.input,
        mode=Mode.ASYNC if asynchronous else Mode.SYNC,
        tenant=request.tenant,
        wait_s=preferences.wait_s,
        idempotency=idempotency,
        traceparent=read_traceparent(request.headers),
    )
    if asynchronous and preferences.wait_s and not run.status.ended:
        run = await services.dispatcher.get(run.run_id, tenant=request.tenant, wait_s=preferences.wait_s)
    return _run_answer(run, preferences)


async def _stream(asked: RunRequest, request: Request, services: Services, part_streams: PartStreams) -> Stream:
    """What the run yields, as events; before the first one it is known whether the run is refused."""

    async def begin(run_id: str) -> Run:
        return await services.dispatcher.run(
            asked.function_id,
            NULL if asked.input is UNSET else asked.input,
            mode=Mode.SYNC,
            tenant=request.tenant,
            traceparent=read_traceparent(request.headers),
            run_id=run_id,
        )

    run = StreamedRun(services, part_streams, begin, tenant=request.tenant)
    async with left_on_failure(run):
        await run.stream.beginning()
        if not run.stream.begun:
            await run.ended()
    return Stream(pieces=run_events(run, heartbeat_s=services.heartbeat_s))


async def get_run(request: Request, services: Services) -> Answer:
    """State and outcome; waits for the end where asked to."""
    wait_s = read_query(request, WaitQuery).wait_ms / 1000
    run_id = await seen_run_id(request, services, request.params["id"])
    return json_answer(await services.dispatcher.get(run_id, tenant=request.tenant, wait_s=wait_s))


async def list_runs(request: Request, services: Services) -> Answer:
    """History, newest first."""
    query = read_query(request, RunsQuery)
    if query.function_id is not None:
        _check_reference(query.function_id)
    page = await services.dispatcher.list_runs(
        tenant=request.tenant,
        reference=query.function_id,
        status=query.status,
        limit=query.limit,
        cursor=query.cursor,
    )
    return json_answer(page)


async def cancel_run(request: Request, services: Services) -> Answer:
    """End a queued or running run."""
    run_id = await seen_run_id(request, services, request.params["id"])
    return json_answer(await services.dispatcher.cancel(run_id, tenant=request.tenant))


async def list_dead_letters(request: Request, services: Services) -> Answer:
    """What the platform could not run."""
    query = read_query(request, PageQuery)
    page = await services.dispatcher.list_dead_letters(tenant=request.tenant, limit=query.limit, cursor=query.cursor)
    return json_answer(page)


async def redrive(request: Request, services: Services) -> Answer:
    """Give a dead run another try."""
    run_id = await seen_run_id(request, services, request.params["runId"])
    run = await services.dispatcher.redrive(run_id, tenant=request.tenant)
    return json_answer(run, status=202, headers=(("location", f"/runs/{run.run_id}"),))


def _check(asked: RunRequest, request: Request) -> None:
    if not is_run_reference(asked.function_id):
        raise _no_function(asked.function_id)
    # Only a body that is larger than the largest input can hold one that is too large.
    if len(request.body) > MAX_INPUT_BYTES and asked.input is not UNSET and len(bytes(asked.input)) > MAX_INPUT_BYTES:
        raise TooLarge(
            f"the input has {len(bytes(asked.input))} bytes; {MAX_INPUT_BYTES} are allowed.",
            hint="Put large data where the function can fetch it.",
        )


def _check_reference(reference: str) -> None:
    if not is_function_reference(reference):
        raise _no_function(reference)


def _no_function(reference: str) -> FunctionNotFound:
    return FunctionNotFound(f"there is no function {reference[:80]!r}.", hint="GET /functions lists them.")


async def check_runnable(reference: str, request: Request, services: Services) -> None:
    """Raise `ScopeMissing` where the key may run other functions only, whether this one is there or not."""
    if request.principal is None or request.principal.functions is None:
        return
    functions = request.principal.functions
    name = reference.partition(":")[0]
    if name not in functions:
        with suppress(FunctionNotFound):
            name = (await services.resource_manager.get(name, tenant=request.tenant)).name
    if name not in functions:
        raise ScopeMissing(f"this key may run {', '.join(sorted(functions))} only.", hint="Ask for another key.")


async def seen_run_id(request: Request, services: Services, run_id: str) -> str:
    """The run's id as the path has it, if the key may know of the run; nothing else gets further."""
    if not is_run_id(run_id):
        raise RunNotFound(f"there is no run {run_id[:80]!r}.", hint="GET /runs lists them.")
    principal = request.principal
    if principal is None or principal.functions is None or Scope.READ in principal.scopes:
        return run_id
    run = await services.dispatcher.get(run_id, tenant=request.tenant)
    if run.function_name not in principal.functions:
        raise no_run(run_id)
    return run_id


def _run_answer(run: Run, preferences: Preferences) -> Answer:
    """200 with the ended run; 202 with its address while it has not ended. The caller knows the input."""
    if run.input is not UNSET:
        run = structs.replace(run, input=UNSET)
    applied = preferences.applied()
    if run.status.ended:
        return json_answer(run, headers=applied)
    return json_answer(run, status=202, headers=(("location", f"/runs/{run.run_id}"), *applied))
