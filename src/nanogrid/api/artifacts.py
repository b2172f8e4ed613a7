"""The handlers about the files that runs left."""

from urllib.parse import quote

from nanogrid.api.message import Answer, Request, json_answer
from nanogrid.api.records import Artifacts
from nanogrid.api.runs import seen_run_id
from nanogrid.api.services import Services
from nanogrid.errors import ArtifactNotFound
from nanogrid.model import Artifact, Run

BYTES = "application/octet-stream"
#: Should a browser show it nevertheless: in an origin of its own, without scripts, and with nothing from anywhere.
_POLICY = "sandbox; default-src 'none'"


async def list_artifacts(request: Request, services: Services) -> Answer:
    """The files that a run left."""
    run = await _run(request, services)
    return json_answer(Artifacts(items=run.artifacts))


async def get_artifact(request: Request, services: Services) -> Answer:
    """One of them, as a download: or, where it lies in a bucket, the address there."""
    run = await _run(request, services)
    artifact = _find(run, request.params["path"])
    disposition = _disposition(artifact.path)
    address = await services.artifact_store.download_address(run.run_id, artifact.sha256, disposition)
    if address is not None:
        return Answer(status=303, media_type=BYTES, headers=(("location", address),))
    headers = (("content-disposition", disposition), ("content-security-policy", _POLICY))
    content = await services.artifact_store.get(run.run_id, artifact.sha256)
    return Answer(body=content, media_type=BYTES, headers=headers)


async def _run(request: Request, services: Services) -> Run:
    run_id = await seen_run_id(request, services, request.params["id"])
    return await services.dispatcher.get(run_id, tenant=request.tenant)


def _find(run: Run, path: str) -> Artifact:
    for artifact in run.artifacts:
        if artifact.path == path:
            return artifact
    raise ArtifactNotFound(
        f"the run {run.run_id} left no file {path[:200]!r}.", hint="GET /runs/{id}/artifacts lists what it left."
    )


def _disposition(path: str) -> str:
    """To be saved under the file's own name; RFC 6266."""
    name = path.rpartition("/")[2]
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
