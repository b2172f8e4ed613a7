"""Handlers about tags. One of them means something: `nanogrid:network` says what a function may reach."""

from collections.abc import Callable

from msgspec import structs

from nanogrid.api.message import Answer
from nanogrid.change import Change
from nanogrid.gateway.lambda_api.call import Call, Shape
from nanogrid.gateway.lambda_api.members import network_of
from nanogrid.gateway.lambda_api.notes import keep, note_of
from nanogrid.gateway.lambda_api.references import function_of, reference
from nanogrid.gateway.lambda_api.refusals import invalid
from nanogrid.model import Function

_MOST = 50
_MAX_KEY = 128
_MAX_VALUE = 256


class Tags(Shape, frozen=True, kw_only=True):
    """`TagResource`."""

    tags: dict[str, str] = {}


async def list_tags(call: Call) -> Answer:
    """A function's tags."""
    kept = await note_of(call, (await _tagged(call)).function_id)
    return call.answer({"Tags": kept.value.tags})


async def tag_resource(call: Call) -> Answer:
    """Add tags, or change their values."""
    asked = call.body(Tags).tags
    await _retag(call, lambda tags: tags | asked)
    return call.answer(status=204)


async def untag_resource(call: Call) -> Answer:
    """Take tags away."""
    keys = set(call.query().get("tagKeys", []))
    await _retag(call, lambda tags: {key: value for key, value in tags.items() if key not in keys})
    return call.answer(status=204)


def check_tags(tags: dict[str, str]) -> None:
    """Raise `Refusal` where these are too many, or too long."""
    if len(tags) > _MOST:
        raise invalid(f"A function may have {_MOST} tags.")
    for key, value in tags.items():
        if not 0 < len(key) <= _MAX_KEY or len(value) > _MAX_VALUE or key.startswith("aws:"):
            raise invalid(f"{key[:80]!r} is no key for a tag, or has too long a value; keys with aws: are AWS' own.")


async def _tagged(call: Call) -> Function:
    found = reference(call, text=call.params["Resource"], qualifier="")
    if found.qualifier:
        raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    return await function_of(call, found.name)


async def _retag(call: Call, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    function = await _tagged(call)
    kept = await note_of(call, function.function_id)
    tags = change(kept.value.tags)
    check_tags(tags)
    network = network_of(tags)
    if network is not function.network and network is not network_of(kept.value.tags):
        await call.services.resource_manager.update(
            function.function_id, Change(network=network), tenant=call.tenant, check_handler=False
        )
    await keep(call, function.function_id, structs.replace(kept.value, tags=tags), kept)
