"""Versions: a number for what a function is now, which never changes any more.

A published version has the number that NanoGrid gave it, so that numbers rise, and some are left out.
"""

from msgspec import structs

from nanogrid.api.message import Answer
from nanogrid.change import Change
from nanogrid.gateway.lambda_api.call import Call, Shape
from nanogrid.gateway.lambda_api.configuration import Configuration, code_of, version_configuration
from nanogrid.gateway.lambda_api.notes import Kept, Published, keep_published, last_published, note_of
from nanogrid.gateway.lambda_api.references import latest
from nanogrid.gateway.lambda_api.refusals import invalid, precondition_failed
from nanogrid.model import Function


class Publication(Shape, frozen=True, kw_only=True):
    """`PublishVersion`."""

    code_sha256: str | None = None
    description: str | None = None
    revision_id: str | None = None


async def publish_version(call: Call) -> Answer:
    """Publish what the function is now; nothing new where that is published already."""
    asked = call.body(Publication)
    function = await latest(call)
    kept = await note_of(call, function.function_id)
    if asked.revision_id and asked.revision_id != kept.revision_id(function):
        raise precondition_failed()
    current = code_of(function, kept.value.note)[0]
    if asked.code_sha256 and asked.code_sha256 != current:
        raise invalid(
            f"CodeSHA256 ({asked.code_sha256[:100]}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    return call.answer(await publish(call, function, kept, asked.description), status=201)


async def publish(call: Call, function: Function, kept: Kept, description: str | None = None) -> Configuration:
    """The version that the function is now, published."""
    last = await last_published(call, function.function_id)
    if last is not None:
        earlier = await call.services.resource_manager.get(function.function_id, last.version, tenant=call.tenant)
        if last.note == kept.value.note and _same(earlier, function):
            return version_configuration(call.caller, earlier, last)
        if last.version == function.version:
            # Only its note has changed: that takes a number of its own.
            function = await call.services.resource_manager.update(
                function.function_id, Change(), tenant=call.tenant, check_handler=False
            )
    version = Published(
        version=function.version,
        note=kept.value.note,
        description=kept.value.note.description if description is None else description,
    )
    version = await keep_published(call, function.function_id, version)
    return version_configuration(call.caller, function, version)


def _same(one: Function, other: Function) -> bool:
    return structs.replace(one, version=other.version, updated_at=other.updated_at) == other
