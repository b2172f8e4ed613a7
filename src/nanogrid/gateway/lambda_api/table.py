"""Which operations this grid has: who does each, who may ask for it, and what of it is missing."""

from msgspec import Struct

from nanogrid.api import scopes
from nanogrid.api.routes import MAX_DEPLOY_BODY
from nanogrid.api.scopes import SMALL_BODY
from nanogrid.gateway.lambda_api import functions, invocations, tags
from nanogrid.gateway.lambda_api.call import Serve
from nanogrid.model import MAX_INPUT_BYTES, Scope

#: Of a large event so much more is read as is needed to tell that it is too large.
_MARGIN = 1024


class Has(Struct, frozen=True, kw_only=True):
    """An operation that this grid has."""

    serve: Serve
    #: Any of these lets a key in.
    scopes: frozenset[Scope]
    #: Largest body in bytes; 0 where none is read.
    max_body: int = 0
    #: What is not as on AWS; empty where nothing is known.
    missing: str = ""


_READ = scopes.LOOK | scopes.RUN
_SETTINGS = (
    "members that ask for what a grid does not have (VPC, layers, X-Ray, file systems, images, KMS, SnapStart, buckets)"
    " are refused by name; `Role` is kept and told, and means nothing"
)

HAS: dict[str, Has] = {
    "CreateFunction": Has(
        serve=functions.create_function,
        scopes=scopes.DEPLOY,
        max_body=MAX_DEPLOY_BODY,
        missing=f"code comes as `ZipFile`; {_SETTINGS}; the name begins with a letter",
    ),
    "Invoke": Has(
        serve=invocations.invoke,
        scopes=scopes.RUN,
        max_body=MAX_INPUT_BYTES + _MARGIN,
        missing="`ClientContext`, `TenantId` and `DurableExecutionName` are refused",
    ),
    "InvokeAsync": Has(serve=invocations.invoke_async, scopes=scopes.RUN, max_body=MAX_INPUT_BYTES + _MARGIN),
    "GetFunction": Has(
        serve=functions.get_function,
        scopes=scopes.LOOK,
        missing="`Code.Location` is a presigned address on the grid, of the archive in its canonical form",
    ),
    "GetFunctionConfiguration": Has(serve=functions.get_function_configuration, scopes=_READ),
    "ListFunctions": Has(serve=functions.list_functions, scopes=scopes.LOOK),
    "ListVersionsByFunction": Has(serve=functions.list_versions_by_function, scopes=scopes.LOOK),
    "UpdateFunctionCode": Has(
        serve=functions.update_function_code,
        scopes=scopes.DEPLOY,
        max_body=MAX_DEPLOY_BODY,
        missing="code comes as `ZipFile`",
    ),
    "UpdateFunctionConfiguration": Has(
        serve=functions.update_function_configuration, scopes=scopes.DEPLOY, max_body=SMALL_BODY, missing=_SETTINGS
    ),
    "DeleteFunction": Has(serve=functions.delete_function, scopes=scopes.DEPLOY),
    "GetFunctionCodeSigningConfig": Has(serve=functions.get_function_code_signing_config, scopes=scopes.LOOK),
    "ListTags": Has(serve=tags.list_tags, scopes=scopes.LOOK),
    "TagResource": Has(serve=tags.tag_resource, scopes=scopes.DEPLOY, max_body=SMALL_BODY),
    "UntagResource": Has(serve=tags.untag_resource, scopes=scopes.DEPLOY),
}
