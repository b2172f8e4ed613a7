"""Handlers about function URLs: the grid serves each function that has one under `/fn`."""

from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, UnsetType, structs

from nanogrid.api.message import Answer
from nanogrid.change import Change
from nanogrid.gateway.lambda_api.call import Call, Shape
from nanogrid.gateway.lambda_api.notes import FunctionUrl, Kept, keep, note_of
from nanogrid.gateway.lambda_api.references import function_of, reference
from nanogrid.gateway.lambda_api.refusals import conflict, not_found, unsupported
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function, Http

_AUTH = {"NONE": Http.PUBLIC, "AWS_IAM": Http.TOKEN}


class UrlChange(Shape, frozen=True, kw_only=True):
    """`CreateFunctionUrlConfig` and `UpdateFunctionUrlConfig`."""

    auth_type: str | None = None
    cors: Any = None
    invoke_mode: str | None = None


class UrlConfiguration(Shape, frozen=True, kw_only=True):
    """How it is told."""

    function_url: str
    function_arn: str
    auth_type: str
    creation_time: str
    last_modified_time: str | UnsetType = UNSET
    invoke_mode: str = "BUFFERED"


async def create_function_url_config(call: Call) -> Answer:
    """Let a function be called under an address of its own."""
    asked = _read(call, required=True)
    function, kept = await _seen(call)
    if kept.value.url is not None:
        raise conflict(
            f"Failed to create function url config for [functionArn = {call.caller.function_arn(function.name)}]. "
            "Error message:  FunctionUrlConfig exists for this Lambda function"
        )
    now = datetime.now(UTC)
    url = FunctionUrl(auth_type=asked.auth_type or "", created_at=now, modified_at=now)
    await _change(call, function, kept, url)
    return call.answer(structs.replace(_told(call, function, url), last_modified_time=UNSET), status=201)


async def get_function_url_config(call: Call) -> Answer:
    """The address, and who may call it."""
    function, kept = await _seen(call)
    return call.answer(_told(call, function, _known(kept)))


async def update_function_url_config(call: Call) -> Answer:
    """Change who may call it."""
    asked = _read(call, required=False)
    function, kept = await _seen(call)
    known = _known(kept)
    url = structs.replace(known, auth_type=asked.auth_type or known.auth_type, modified_at=datetime.now(UTC))
    await _change(call, function, kept, url)
    return call.answer(_told(call, function, url))


async def delete_function_url_config(call: Call) -> Answer:
    """Let nobody call it any more."""
    function, kept = await _seen(call)
    _known(kept)
    await _change(call, function, kept, None)
    return call.answer(status=204)


async def list_function_url_configs(call: Call) -> Answer:
    """The address, as a list of one or none."""
    function, kept = await _seen(call)
    url = kept.value.url
    return call.answer({"FunctionUrlConfigs": [] if url is None else [_told(call, function, url)]})


def _read(call: Call, *, required: bool) -> UrlChange:
    asked = call.body(UrlChange)
    constraints = Constraints()
    if required:
        constraints.given("authType", asked.auth_type)
    constraints.one_of("authType", asked.auth_type, list(_AUTH))
    constraints.one_of("invokeMode", asked.invoke_mode, ["BUFFERED", "RESPONSE_STREAM"])
    constraints.check()
    if any((asked.cors or {}).values()):
        raise unsupported("Cors", "the function answers with its own headers.")
    if asked.invoke_mode == "RESPONSE_STREAM":
        raise unsupported("InvokeMode", "answers are sent whole.")
    return asked


async def _seen(call: Call) -> tuple[Function, Kept]:
    found = reference(call)
    function = await function_of(call, found.name, found.qualifier)
    if not found.latest:
        raise unsupported("Qualifier", "an address leads to the function as it is now.")
    return function, await note_of(call, function.function_id)


def _known(kept: Kept) -> FunctionUrl:
    if kept.value.url is None:
        raise not_found("The resource you requested does not exist.")
    return kept.value.url


async def _change(call: Call, function: Function, kept: Kept, url: FunctionUrl | None) -> None:
    http = Http.OFF if url is None else _AUTH[url.auth_type]
    if function.http is not http:
        await call.services.resource_manager.update(
            function.function_id, Change(http=http), tenant=call.tenant, check_handler=False
        )
    await keep(call, function.function_id, structs.replace(kept.value, url=url), kept)


def _told(call: Call, function: Function, url: FunctionUrl) -> UrlConfiguration:
    return UrlConfiguration(
        function_url=f"{call.base_url}/fn/{function.name}/",
        function_arn=call.caller.function_arn(function.name),
        auth_type=url.auth_type,
        creation_time=_written(url.created_at),
        last_modified_time=_written(url.modified_at),
    )


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
