"""The handler behind `/fn`: a request goes to a function as an event, and what it returns is the answer."""

from nanogrid.api import scopes
from nanogrid.api.auth import check_scopes
from nanogrid.api.call_answer import call_answer
from nanogrid.api.call_event import call_event
from nanogrid.api.call_stream import gathered_answer, streamed_answer
from nanogrid.api.message import Answer, Request, Stream
from nanogrid.api.preferences import read_traceparent
from nanogrid.api.services import Services
from nanogrid.api.streamed_run import StreamedRun, left_on_failure, part_streams_of
from nanogrid.errors import FunctionNotFound, ScopeMissing, Unauthorized
from nanogrid.identifiers import is_run_reference
from nanogrid.model import Function, Http, Mode, Principal, Run


async def check_call(request: Request, services: Services) -> None:
    """Refuse who may not call the function before a body is read. Raises as `_called` does."""
    await _called(request, services)


async def call_function(request: Request, services: Services) -> Answer | Stream:
    """Run the function with the request as its event, and answer as it says; as it goes along, where it yields."""
    function = await _called(request, services)
    part_streams = part_streams_of(services)
    # Nothing of a body is sent for HEAD, so that nobody would read it.
    if part_streams is None or request.method == "HEAD":
        return _answer(await _run(request, services, function))
    run = StreamedRun(
        services, part_streams, lambda run_id: _run(request, services, function, run_id), tenant=function.tenant
    )
    async with left_on_failure(run):
        first = await run.stream.next()
        return _answer(await run.ended()) if first is None else await streamed_answer(run, first)


def _answer(run: Run) -> Answer:
    return gathered_answer(run) if run.streamed else call_answer(run)


async def _run(request: Request, services: Services, function: Function, run_id: str | None = None) -> Run:
    return await services.dispatcher.run(
        # This very version: another one may not be meant for everybody.
        f"{function.function_id}:{function.version}",
        call_event(request),
        mode=Mode.SYNC,
        tenant=function.tenant,
        traceparent=read_traceparent(request.headers),
        run_id=run_id,
    )


async def _called(request: Request, services: Services) -> Function:
    """The version that is called, if the caller may. Raises `FunctionNotFound`, `Unauthorized`, `ScopeMissing`."""
    reference = request.params["name"]
    try:
        function = await _meant(reference, request.tenant, services)
    except FunctionNotFound:
        raise _absent(reference) from None
    if function.http is Http.OFF:
        raise _absent(reference)
    if function.http is Http.TOKEN:
        _check_caller(request.principal, function)
    return function


async def _meant(reference: str, tenant: str, services: Services) -> Function:
    if not is_run_reference(reference):
        raise _absent(reference)
    if ":" in reference:
        return await services.aliases.resolve(reference, tenant)
    return await services.resource_manager.get(reference, tenant=tenant)


def _check_caller(principal: Principal | None, function: Function) -> None:
    if principal is None:
        raise Unauthorized("this function is called with a token.", hint="Send `Authorization: Bearer TOKEN`.")
    check_scopes(principal, scopes.RUN)
    if principal.functions is not None and function.name not in principal.functions:
        raise ScopeMissing("this key may not run the function.", hint="Ask for another key.")


def _absent(reference: str) -> FunctionNotFound:
    """One answer for what is not there and for what is not to be called over HTTP."""
    return FunctionNotFound(
        f"no function {reference[:80]!r} is served under /fn.",
        hint="Deploy the function with `--http token` or `--http public`.",
    )
