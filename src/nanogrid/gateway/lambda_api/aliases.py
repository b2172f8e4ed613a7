"""Handlers about aliases: names for published versions, with a share of the runs for another one."""

import uuid
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, UnsetType

from nanogrid.aliases import Alias
from nanogrid.api.message import Answer
from nanogrid.errors import AliasNotFound
from nanogrid.gateway.lambda_api.call import PAGE, Call, Shape
from nanogrid.gateway.lambda_api.notes import is_published
from nanogrid.gateway.lambda_api.references import LATEST, latest
from nanogrid.gateway.lambda_api.refusals import conflict, invalid, no_function, not_found, precondition_failed
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function, Record

_NAMESPACE = uuid.UUID("1d1bbf3c-8f0f-4a56-9f0b-6a3f5f5e9c11")


class Routing(Shape, frozen=True, kw_only=True):
    """Which share of the runs goes to which other version."""

    additional_version_weights: dict[str, float] = {}


class AliasChange(Shape, frozen=True, kw_only=True):
    """`CreateAlias` and `UpdateAlias`."""

    name: str | None = None
    function_version: str | None = None
    description: str | None = None
    routing_config: Routing | None = None
    revision_id: str | None = None


class AliasConfiguration(Shape, frozen=True, kw_only=True):
    """An alias as it is told."""

    alias_arn: str
    name: str
    function_version: str
    description: str
    routing_config: Routing | UnsetType = UNSET
    revision_id: str


class _Note(Record, frozen=True, kw_only=True):
    """What is only kept of an alias."""

    description: str = ""


async def create_alias(call: Call) -> Answer:
    """Make an alias."""
    asked = call.body(AliasChange)
    constraints = Constraints()
    constraints.given("name", asked.name)
    constraints.given("functionVersion", asked.function_version)
    constraints.matches("name", asked.name, r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)")
    constraints.check()
    function, name = await latest(call), asked.name or ""
    if name in [alias.alias for alias in await call.services.aliases.of(function.function_id, tenant=call.tenant)]:
        raise conflict(f"Alias already exists: {call.caller.function_arn(function.name, name)}")
    told = await _put(call, function, name, asked.function_version or "", _weights(asked), asked.description or "")
    return call.answer(told, status=201)


async def get_alias(call: Call) -> Answer:
    """One alias."""
    function = await latest(call)
    alias = await _alias(call, function)
    return call.answer(await _told(call, function, alias))


async def update_alias(call: Call) -> Answer:
    """Let an alias mean something else."""
    asked = call.body(AliasChange)
    function = await latest(call)
    alias = await _alias(call, function)
    before = await _told(call, function, alias)
    if asked.revision_id and asked.revision_id != before.revision_id:
        raise precondition_failed()
    weights = {str(v): w for v, w in alias.weights.items()} if asked.routing_config is None else _weights(asked)
    told = await _put(
        call,
        function,
        alias.alias,
        asked.function_version or str(alias.version),
        weights,
        before.description if asked.description is None else asked.description,
    )
    return call.answer(told)


async def delete_alias(call: Call) -> Answer:
    """Let an alias mean nothing any more; one that is not there is deleted already."""
    function = await latest(call)
    try:
        await call.services.aliases.delete(function.function_id, call.params["Name"], tenant=call.tenant)
    except AliasNotFound:
        return call.answer(status=204)
    await call.services.annotations.delete(function.function_id, f"alias/{call.params['Name']}")
    return call.answer(status=204)


async def list_aliases(call: Call) -> Answer:
    """A function's aliases by name, or those of one version."""
    function = await latest(call)
    limit, after = call.page()
    of_version = call.queried("FunctionVersion")
    aliases = [
        alias
        for alias in await call.services.aliases.of(function.function_id, tenant=call.tenant)
        if of_version in ("", str(alias.version)) and alias.alias > (after or "")
    ]
    told = [await _told(call, function, alias) for alias in aliases[: min(limit, PAGE)]]
    more = {"NextMarker": told[-1].name} if len(aliases) > len(told) else {}
    return call.answer({"Aliases": told} | more)


async def _put(
    call: Call, function: Function, name: str, version: str, weights: dict[str, float], description: str
) -> AliasConfiguration:
    for number in (version, *weights):
        await _check_published(call, function, number)
    alias, _ = await call.services.aliases.put(
        function.function_id, name, int(version), {int(v): w for v, w in weights.items()}, tenant=call.tenant
    )
    known = await call.services.annotations.get(function.function_id, f"alias/{name}")
    await call.services.annotations.put(
        function.function_id,
        f"alias/{name}",
        Raw(msgspec.json.encode(_Note(description=description))),
        revision=known.revision if known else None,
    )
    return await _told(call, function, alias)


async def _check_published(call: Call, function: Function, version: str) -> None:
    if version == LATEST:
        raise invalid("An alias of this grid names published versions, and not $LATEST, which changes.")
    if not version.isdecimal() or not await is_published(call, function, int(version)):
        raise no_function(call.caller.function_arn(function.name, version))


async def _alias(call: Call, function: Function) -> Alias:
    name = call.params["Name"]
    try:
        return await call.services.aliases.get(function.function_id, name, tenant=call.tenant)
    except AliasNotFound as exc:
        raise not_found(f"Cannot find alias arn: {call.caller.function_arn(function.name, name)}") from exc


async def _told(call: Call, function: Function, alias: Alias) -> AliasConfiguration:
    record = await call.services.annotations.get(function.function_id, f"alias/{alias.alias}")
    note = _Note() if record is None else msgspec.json.decode(record.value, type=_Note)
    weights = {str(version): share for version, share in alias.weights.items()}
    return AliasConfiguration(
        alias_arn=call.caller.function_arn(function.name, alias.alias),
        name=alias.alias,
        function_version=str(alias.version),
        description=note.description,
        routing_config=Routing(additional_version_weights=weights) if weights else UNSET,
        revision_id=_revision_id(function, alias.alias, alias.updated_at, record.revision if record else ""),
    )


def _weights(asked: AliasChange) -> dict[str, float]:
    weights = asked.routing_config.additional_version_weights if asked.routing_config is not None else {}
    if len(weights) > 1:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for share in weights.values():
        if not 0 <= share <= 1:
            raise invalid(f"The weight {share} is not between 0 and 1.")
    return {version: share for version, share in weights.items() if share}


def _revision_id(function: Function, name: str, at: datetime, revision: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{function.function_id}/{name}/{at.isoformat()}/{revision}"))
