"""The rows of the route table for archives that are sent ahead of the function they are for."""

from nanogrid import errors
from nanogrid.api import scopes, uploads
from nanogrid.api.records import UploadRequest
from nanogrid.api.route import Route
from nanogrid.api.scopes import SMALL_BODY
from nanogrid.archive import DEFAULT_LIMITS
from nanogrid.model import UploadPlace

UPLOAD_ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/uploads",
        operation_id="placeUpload",
        summary="Ask where an archive can be sent ahead that is too large for a deployment",
        handler=uploads.place_upload,
        scopes=scopes.DEPLOY,
        body=UploadRequest,
        max_body=SMALL_BODY,
        answer=UploadPlace,
    ),
    Route(
        method="PUT",
        path="/uploads/{sha256}",
        operation_id="keepUpload",
        summary="Send an archive ahead, as the whole body, where the grid said so",
        handler=uploads.keep_upload,
        scopes=scopes.DEPLOY,
        max_body=DEFAULT_LIMITS.zip_bytes,
        statuses=(204,),
        refusals=(errors.InvalidField, errors.SlowRequest, errors.TooLarge),
    ),
)
