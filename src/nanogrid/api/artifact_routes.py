"""The rows of the route table about the files that runs left."""

from nanogrid import errors
from nanogrid.api import artifacts, scopes
from nanogrid.api.records import Artifacts
from nanogrid.api.route import Route

ARTIFACT_ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/runs/{id}/artifacts",
        operation_id="listArtifacts",
        summary="List the files that a run left in its output folder",
        handler=artifacts.list_artifacts,
        scopes=scopes.FOLLOW,
        answer=Artifacts,
        refusals=(errors.RunNotFound,),
    ),
    Route(
        method="GET",
        path="/runs/{id}/artifacts/{path+}",
        operation_id="getArtifact",
        summary="Download one of them; 303 where it lies in a bucket",
        handler=artifacts.get_artifact,
        scopes=scopes.FOLLOW,
        statuses=(200, 303),
        answer_media_types=(artifacts.BYTES,),
        refusals=(errors.RunNotFound, errors.ArtifactNotFound),
    ),
)
