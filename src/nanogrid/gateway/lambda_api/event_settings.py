"""Handlers about events: how often one is tried again, and how old it may become."""

from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, UnsetType, structs

from nanogrid.api.message import Answer
from nanogrid.change import Change
from nanogrid.gateway.lambda_api.call import Call, Shape
from nanogrid.gateway.lambda_api.notes import EventSettings, Kept, keep, note_of
from nanogrid.gateway.lambda_api.references import LATEST, function_of, reference
from nanogrid.gateway.lambda_api.refusals import invalid, not_found, unsupported
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function

#: What AWS does where nobody says otherwise.
RETRIES = 2
MAX_AGE_S = 6 * 3600
_MIN_AGE_S = 60


class EventChange(Shape, frozen=True, kw_only=True):
    """`PutFunctionEventInvokeConfig` and `UpdateFunctionEventInvokeConfig`."""

    maximum_retry_attempts: int | None = None
    maximum_event_age_in_seconds: int | None = None
    destination_config: Any = None


class EventConfiguration(Shape, frozen=True, kw_only=True):
    """How it is told."""

    last_modified: float
    function_arn: str
    maximum_retry_attempts: int | UnsetType = UNSET
    maximum_event_age_in_seconds: int | UnsetType = UNSET
    destination_config: dict[str, Any]


async def put_function_event_invoke_config(call: Call) -> Answer:
    """Say all of it anew."""
    asked = _read(call)
    function, kept = await _seen(call)
    return await _change(call, function, kept, asked.maximum_retry_attempts, asked.maximum_event_age_in_seconds)


async def update_function_event_invoke_config(call: Call) -> Answer:
    """Say some of it anew."""
    asked = _read(call)
    function, kept = await _seen(call)
    known = _known(call, function, kept)
    retries = known.retries if asked.maximum_retry_attempts is None else asked.maximum_retry_attempts
    age = known.max_age_s if asked.maximum_event_age_in_seconds is None else asked.maximum_event_age_in_seconds
    return await _change(call, function, kept, retries, age)


async def get_function_event_invoke_config(call: Call) -> Answer:
    """What was said."""
    function, kept = await _seen(call)
    return call.answer(_told(call, function, _known(call, function, kept)))


async def delete_function_event_invoke_config(call: Call) -> Answer:
    """Let it be as nobody had said anything."""
    function, kept = await _seen(call)
    _known(call, function, kept)
    await _set(call, function, RETRIES, MAX_AGE_S)
    await keep(call, function.function_id, structs.replace(kept.value, events=None), kept)
    return call.answer(status=204)


async def list_function_event_invoke_configs(call: Call) -> Answer:
    """What was said, as a list of one or none."""
    function, kept = await _seen(call)
    events = kept.value.events
    return call.answer({"FunctionEventInvokeConfigs": [] if events is None else [_told(call, function, events)]})


def _read(call: Call) -> EventChange:
    asked = call.body(EventChange)
    constraints = Constraints()
    constraints.at_least("maximumRetryAttempts", asked.maximum_retry_attempts, 0)
    constraints.at_most("maximumRetryAttempts", asked.maximum_retry_attempts, RETRIES)
    constraints.at_least("maximumEventAgeInSeconds", asked.maximum_event_age_in_seconds, _MIN_AGE_S)
    constraints.at_most("maximumEventAgeInSeconds", asked.maximum_event_age_in_seconds, MAX_AGE_S)
    constraints.check()
    if any(value for value in (asked.destination_config or {}).values()):
        raise unsupported("DestinationConfig", "outcomes stay in the run's record.")
    if asked.maximum_retry_attempts is None and asked.maximum_event_age_in_seconds is None:
        raise invalid("You must specify at least one of error handling or destination setting.")
    return asked


async def _seen(call: Call) -> tuple[Function, Kept]:
    found = reference(call)
    function = await function_of(call, found.name, found.qualifier)
    if not found.latest:
        raise unsupported("Qualifier", "what is said of events holds for the whole function.")
    return function, await note_of(call, function.function_id)


def _known(call: Call, function: Function, kept: Kept) -> EventSettings:
    if kept.value.events is None:
        arn = call.caller.function_arn(function.name, LATEST)
        raise not_found(f"The function {arn} doesn't have an EventInvokeConfig")
    return kept.value.events


async def _change(call: Call, function: Function, kept: Kept, retries: int | None, age: int | None) -> Answer:
    await _set(call, function, RETRIES if retries is None else retries, MAX_AGE_S if age is None else age)
    events = EventSettings(retries=retries, max_age_s=age, modified_at=datetime.now(UTC))
    await keep(call, function.function_id, structs.replace(kept.value, events=events), kept)
    return call.answer(_told(call, function, events))


async def _set(call: Call, function: Function, retries: int, age: int) -> None:
    if (function.retries, function.max_age_ms) == (retries, age * 1000):
        return
    change = Change(retries=retries, max_age_ms=age * 1000)
    await call.services.resource_manager.update(function.function_id, change, tenant=call.tenant, check_handler=False)


def _told(call: Call, function: Function, events: EventSettings) -> EventConfiguration:
    return EventConfiguration(
        last_modified=events.modified_at.timestamp(),
        function_arn=call.caller.function_arn(function.name, LATEST),
        maximum_retry_attempts=UNSET if events.retries is None else events.retries,
        maximum_event_age_in_seconds=UNSET if events.max_age_s is None else events.max_age_s,
        destination_config={"OnSuccess": {}, "OnFailure": {}},
    )
