"""Handlers that make, change and delete functions."""

import asyncio
import base64
import hashlib
from datetime import UTC, datetime

from msgspec import structs

from nanogrid.api.functions import forget
from nanogrid.api.message import Answer
from nanogrid.change import Change
from nanogrid.errors import ArchiveRefused, NameTaken, NanoGridError
from nanogrid.gateway.lambda_api.call import Call
from nanogrid.gateway.lambda_api.configuration import just_created, just_updated, latest_configuration
from nanogrid.gateway.lambda_api.event_settings import MAX_AGE_S, RETRIES
from nanogrid.gateway.lambda_api.members import (
    CodeUpdate,
    Creation,
    Settings,
    change_of,
    check_foreign,
    constrain,
    network_of,
)
from nanogrid.gateway.lambda_api.notes import Kept, LatestNote, Note, Upload, keep, note_of, withdraw
from nanogrid.gateway.lambda_api.publishing import publish
from nanogrid.gateway.lambda_api.references import Reference, function_of, latest, reference
from nanogrid.gateway.lambda_api.refusals import Refusal, conflict, invalid, precondition_failed
from nanogrid.gateway.lambda_api.tags import check_tags
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function

#: What AWS gives whoever does not say otherwise.
_TIMEOUT_MS = 3000
_MEMORY_MB = 128
_NO_CODE = "Please provide a source for function code."


async def create_function(call: Call) -> Answer:
    """Make a function with its first version."""
    asked = await call.large_body(Creation)
    _check_creation(asked)
    function, content = await _deployed(call, asked)
    note = Note(
        role=asked.role or "",
        description=asked.description or "",
        runtime=asked.runtime or "",
        upload=await _upload(content, function),
    )
    try:
        kept = await keep(call, function.function_id, LatestNote(note=note, tags=asked.tags), Kept())
    except NanoGridError:
        await call.services.resource_manager.delete(function.function_id, tenant=call.tenant)
        raise
    configuration = latest_configuration(call.caller, function, kept)
    if asked.publish:
        configuration = await publish(call, function, kept)
    return call.answer(just_created(function, configuration, kept), status=201)


async def update_function_configuration(call: Call) -> Answer:
    """Change settings of `$LATEST`."""
    asked = call.body(Settings)
    constraints = Constraints()
    constrain(asked, constraints)
    constraints.check()
    check_foreign(asked)
    function = await latest(call)
    kept = await note_of(call, function.function_id)
    _check_revision(asked.revision_id, function, kept)
    change = change_of(asked)
    if change != Change():
        function = await call.services.resource_manager.update(
            function.function_id, change, tenant=call.tenant, check_handler=False
        )
    note = structs.replace(
        kept.value.note,
        role=kept.value.note.role if asked.role is None else asked.role,
        description=kept.value.note.description if asked.description is None else asked.description,
        runtime=asked.runtime or kept.value.note.runtime,
    )
    kept = await keep(call, function.function_id, _modified(kept, note), kept)
    return call.answer(just_updated(function, latest_configuration(call.caller, function, kept), kept))


async def update_function_code(call: Call) -> Answer:
    """Change the code of `$LATEST`."""
    asked = await call.large_body(CodeUpdate)
    check_foreign(asked)
    function = await latest(call)
    kept = await note_of(call, function.function_id)
    _check_revision(asked.revision_id, function, kept)
    if asked.zip_file is None:
        raise invalid(_NO_CODE)
    if asked.dry_run:
        return await _tried(call, function, kept, asked.zip_file)
    try:
        function = await call.services.resource_manager.update(
            function.function_id, Change(zip=asked.zip_file), tenant=call.tenant, check_handler=False
        )
    except ArchiveRefused as exc:
        raise _unreadable(exc) from exc
    note = structs.replace(kept.value.note, upload=await _upload(asked.zip_file, function))
    kept = await keep(call, function.function_id, _modified(kept, note), kept)
    configuration = latest_configuration(call.caller, function, kept)
    if asked.publish:
        configuration = await publish(call, function, kept)
    return call.answer(just_updated(function, configuration, kept))


async def delete_function(call: Call) -> Answer:
    """Delete a function with all its versions, or withdraw one published version."""
    found = reference(call)
    function = await function_of(call, found.name, found.qualifier)
    if found.qualifier:
        return await _withdrawn(call, function, found)
    await call.services.resource_manager.delete(function.function_id, tenant=call.tenant)
    await forget(function, call.services)
    return call.answer(status=204)


async def _deployed(call: Call, asked: Creation) -> tuple[Function, bytes]:
    """The new function, and the archive that it came in. Raises `Refusal`."""
    name, content = _new_name(call, asked), asked.code.zip_file if asked.code is not None else None
    if content is None:
        raise invalid(_NO_CODE)
    change = structs.replace(
        change_of(asked),
        zip=content,
        memory_mb=asked.memory_size or _MEMORY_MB,
        timeout_ms=(asked.timeout * 1000) if asked.timeout else _TIMEOUT_MS,
        retries=RETRIES,
        max_age_ms=MAX_AGE_S * 1000,
        network=network_of(asked.tags),
    )
    try:
        function = await call.services.resource_manager.deploy(name, change, tenant=call.tenant, check_handler=False)
    except ArchiveRefused as exc:
        raise _unreadable(exc) from exc
    except NameTaken as exc:
        raise conflict(f"Function already exist: {name}") from exc
    return function, content


async def _withdrawn(call: Call, function: Function, found: Reference) -> Answer:
    number = found.version
    if number is None:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    users = [a.alias for a in await call.services.aliases.of(function.function_id, tenant=call.tenant)
             if number in (a.version, *a.weights)]  # fmt: skip
    if users:
        raise conflict(
            f"Version {number} of {call.caller.function_arn(function.name)} is in use by the alias {users[0]}."
        )
    await withdraw(call, function.function_id, number)
    return call.answer(status=204)


async def _tried(call: Call, function: Function, kept: Kept, content: bytes) -> Answer:
    """What an update would make, without making it."""
    note = structs.replace(kept.value.note, upload=await _upload(content, function))
    tried = structs.replace(kept, value=structs.replace(kept.value, note=note))
    return call.answer(latest_configuration(call.caller, function, tried))


def _check_creation(asked: Creation) -> None:
    constraints = Constraints()
    constraints.given("functionName", asked.function_name)
    constraints.given("role", asked.role)
    constraints.given("code", asked.code)
    constrain(asked, constraints)
    constraints.check()
    check_foreign(asked)
    if asked.code is not None:
        check_foreign(asked.code)
    if not asked.runtime or not asked.handler:
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    check_tags(asked.tags)


def _new_name(call: Call, asked: Creation) -> str:
    found = reference(call, text=asked.function_name or "", qualifier="")
    if found.qualifier:
        raise invalid("A function is made without a qualifier.")
    return found.name


def _check_revision(asked: str | None, function: Function, kept: Kept) -> None:
    if asked and asked != kept.revision_id(function):
        raise precondition_failed()


def _modified(kept: Kept, note: Note) -> LatestNote:
    return structs.replace(kept.value, note=note, modified_at=datetime.now(UTC))


async def _upload(content: bytes, function: Function) -> Upload:
    sha256 = await asyncio.to_thread(_sha256, content)
    return Upload(canonical=function.code_sha256, sha256=sha256, size=len(content))


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _unreadable(exc: ArchiveRefused) -> Refusal:
    return invalid(f"Could not unzip uploaded file. Please check your file, then try to upload again. ({exc})")
