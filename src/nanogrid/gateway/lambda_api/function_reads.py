"""Handlers that tell functions: one, all, all versions of one."""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import structs

from nanogrid.api.message import Answer
from nanogrid.errors import MalformedRequest
from nanogrid.gateway.lambda_api.call import Call, bad_marker
from nanogrid.gateway.lambda_api.configuration import Configuration, latest_configuration, version_configuration
from nanogrid.gateway.lambda_api.downloads import code_location
from nanogrid.gateway.lambda_api.notes import VERSIONS, Kept, note_of, published, published_version
from nanogrid.gateway.lambda_api.references import LATEST, Reference, function_of, reference, resolved
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function, StoredRecord


async def get_function(call: Call) -> Answer:
    """A function, where its code can be read, and its tags."""
    found = reference(call)
    function, meant = await resolved(call, found)
    kept = await note_of(call, function.function_id)
    told: dict[str, Any] = {
        "Configuration": await _told_configuration(call, found, function, meant, kept),
        "Code": {"RepositoryType": "NanoGrid", "Location": code_location(call, meant, latest=found.latest)},
    }
    if kept.value.tags:
        told["Tags"] = kept.value.tags
    if kept.value.reserved is not None:
        told["Concurrency"] = {"ReservedConcurrentExecutions": kept.value.reserved}
    return call.answer(told)


async def get_function_configuration(call: Call) -> Answer:
    """A function without its code."""
    found = reference(call)
    function, meant = await resolved(call, found)
    kept = await note_of(call, function.function_id)
    return call.answer(await _told_configuration(call, found, function, meant, kept))


async def list_functions(call: Call) -> Answer:
    """Functions by name; with all their published versions where asked to."""
    limit, cursor = call.page()
    every = call.queried("FunctionVersion")
    constraints = Constraints()
    constraints.one_of("functionVersion", every or None, ["ALL"])
    constraints.check()
    try:
        page = await call.services.resource_manager.list_functions(tenant=call.tenant, limit=limit, cursor=cursor)
    except MalformedRequest as exc:
        raise bad_marker(exc) from exc
    told: list[Configuration] = []
    for function in page.items:
        kept = await note_of(call, function.function_id)
        told.append(latest_configuration(call.caller, function, kept, LATEST if every else ""))
        if every:
            told += [item async for item in _published(call, function)]
    return call.answer({"Functions": told} | ({"NextMarker": page.next_cursor} if page.next_cursor else {}))


async def list_versions_by_function(call: Call) -> Answer:
    """`$LATEST`, then the published versions, oldest first."""
    function = await function_of(call, reference(call).name)
    limit, cursor = call.page()
    told: list[Configuration] = []
    if cursor is None:
        kept = await note_of(call, function.function_id)
        told.append(latest_configuration(call.caller, function, kept, LATEST))
    try:
        page = await call.services.annotations.page(
            function.function_id, VERSIONS, limit=max(1, limit - len(told)), cursor=cursor
        )
    except MalformedRequest as exc:
        raise bad_marker(exc) from exc
    told += [await _told_version(call, function, record) for record in page.items]
    return call.answer({"Versions": told} | ({"NextMarker": page.next_cursor} if page.next_cursor else {}))


async def get_function_code_signing_config(call: Call) -> Answer:
    """That no code is signed."""
    function = await function_of(call, reference(call).name)
    return call.answer({"FunctionName": function.name})


async def _told_configuration(
    call: Call, found: Reference, function: Function, meant: Function, kept: Kept
) -> Configuration:
    """The version that is meant, under the qualifier that it was asked for."""
    if found.latest:
        return latest_configuration(call.caller, function, kept, found.qualifier)
    version = await published_version(call, function.function_id, meant.version)
    if version is None:
        # An alias of ours may name a version that was never published.
        configuration = latest_configuration(call.caller, meant, kept, found.qualifier)
        return structs.replace(configuration, version=str(meant.version))
    return version_configuration(call.caller, meant, version, found.qualifier)


async def _published(call: Call, function: Function) -> AsyncIterator[Configuration]:
    async for record in call.services.annotations.all(function.function_id, VERSIONS):
        yield await _told_version(call, function, record)


async def _told_version(call: Call, function: Function, record: StoredRecord) -> Configuration:
    version = published(record)
    meant = await call.services.resource_manager.get(function.function_id, version.version, tenant=call.tenant)
    return version_configuration(call.caller, meant, version)
