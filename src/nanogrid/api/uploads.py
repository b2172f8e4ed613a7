"""The handlers for archives that are sent ahead of the function they are for."""

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.reading import read_json
from nanogrid.api.records import UploadRequest
from nanogrid.api.services import Services
from nanogrid.model import UploadPlace

#: An address of the grid's own does not run out; what it took is kept for a day.
_VALID_MS = 86_400_000


async def place_upload(request: Request, services: Services) -> Answer:
    """Where an archive can be sent."""
    asked = await read_json(request, UploadRequest)
    place = await services.resource_manager.place_upload(asked.sha256, asked.size, tenant=request.tenant)
    return json_answer(place or _here(asked))


async def keep_upload(request: Request, services: Services) -> Answer:
    """Keep an archive that came here."""
    await services.resource_manager.keep_upload(request.params["sha256"], request.body, tenant=request.tenant)
    return Answer(status=204)


def _here(asked: UploadRequest) -> UploadPlace:
    return UploadPlace(
        sha256=asked.sha256,
        size=asked.size,
        address=f"/uploads/{asked.sha256}",
        valid_ms=_VALID_MS,
    )
