"""Where a function's code can be read for a while: an address that the caller's own key has signed."""

from urllib.parse import quote

from nanogrid.api.message import Answer
from nanogrid.gateway.lambda_api.call import Call
from nanogrid.gateway.lambda_api.operations import Operation
from nanogrid.gateway.lambda_api.references import reference, resolved
from nanogrid.gateway.lambda_api.signature import Scope, What, presigned_query
from nanogrid.gateway.lambda_api.verification import SERVICE, utc_now
from nanogrid.model import Function

#: No operation of Lambda's, which has S3 for it.
DOWNLOAD = Operation("DownloadCode", "GET", "/2015-03-31/functions/{FunctionName}/code")
_VALID_S = 600
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def code_location(call: Call, function: Function, *, latest: bool) -> str:
    """The address of the version's archive."""
    now, signatory = utc_now(), call.caller.signatory
    path = f"/2015-03-31/functions/{quote(function.name, safe='')}/code"
    what = What(
        method="GET",
        path=path,
        query="" if latest else f"Qualifier={function.version}",
        headers={"host": call.request.headers["host"]},
        payload=_EMPTY_SHA256,
    )
    scope = Scope(day=f"{now:%Y%m%d}", region=call.caller.region, service=SERVICE)
    query = presigned_query(signatory.access_key_id, signatory.secret, scope, now, what, _VALID_S)
    return f"{call.base_url}{path}?{query}"


async def download_code(call: Call) -> Answer:
    """The canonical archive of a version."""
    _, meant = await resolved(call, reference(call))
    _, content = await call.services.resource_manager.code(meant.function_id, meant.version, tenant=call.tenant)
    name = f'attachment; filename="{meant.name}-{meant.version}.zip"'
    return Answer(body=content, media_type="application/zip", headers=(("content-disposition", name),))
