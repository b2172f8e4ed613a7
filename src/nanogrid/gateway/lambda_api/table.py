"""Which operations this grid has: who does each, who may ask for it, and what of it is missing."""

from msgspec import Struct

from nanogrid.api import scopes
from nanogrid.api.routes import MAX_DEPLOY_BODY
from nanogrid.api.scopes import SMALL_BODY
from nanogrid.gateway.lambda_api import (
    aliases,
    concurrency,
    event_settings,
    function_changes,
    function_reads,
    function_urls,
    invocations,
    policies,
    publishing,
    response_streams,
    tags,
)
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
        serve=function_changes.create_function,
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
        serve=function_reads.get_function,
        scopes=scopes.LOOK,
        missing="`Code.Location` is a presigned address on the grid, of the archive in its canonical form",
    ),
    "GetFunctionConfiguration": Has(serve=function_reads.get_function_configuration, scopes=_READ),
    "ListFunctions": Has(serve=function_reads.list_functions, scopes=scopes.LOOK),
    "ListVersionsByFunction": Has(serve=function_reads.list_versions_by_function, scopes=scopes.LOOK),
    "UpdateFunctionCode": Has(
        serve=function_changes.update_function_code,
        scopes=scopes.DEPLOY,
        max_body=MAX_DEPLOY_BODY,
        missing="code comes as `ZipFile`",
    ),
    "UpdateFunctionConfiguration": Has(
        serve=function_changes.update_function_configuration,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing=_SETTINGS,
    ),
    "DeleteFunction": Has(serve=function_changes.delete_function, scopes=scopes.DEPLOY),
    "GetFunctionCodeSigningConfig": Has(serve=function_reads.get_function_code_signing_config, scopes=scopes.LOOK),
    "PublishVersion": Has(
        serve=publishing.publish_version,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="published numbers are those of NanoGrid's versions: they rise, and some are left out",
    ),
    "CreateAlias": Has(
        serve=aliases.create_alias,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="no alias of `$LATEST`; the name begins with a letter; its versions are started before it moves",
    ),
    "GetAlias": Has(serve=aliases.get_alias, scopes=scopes.LOOK),
    "UpdateAlias": Has(
        serve=aliases.update_alias, scopes=scopes.DEPLOY, max_body=SMALL_BODY, missing="as `CreateAlias`"
    ),
    "DeleteAlias": Has(serve=aliases.delete_alias, scopes=scopes.DEPLOY),
    "ListAliases": Has(serve=aliases.list_aliases, scopes=scopes.LOOK),
    "PutFunctionEventInvokeConfig": Has(
        serve=event_settings.put_function_event_invoke_config,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="retries and age, of the whole function; destinations and qualifiers are refused",
    ),
    "UpdateFunctionEventInvokeConfig": Has(
        serve=event_settings.update_function_event_invoke_config,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="as `PutFunctionEventInvokeConfig`",
    ),
    "GetFunctionEventInvokeConfig": Has(serve=event_settings.get_function_event_invoke_config, scopes=scopes.LOOK),
    "DeleteFunctionEventInvokeConfig": Has(
        serve=event_settings.delete_function_event_invoke_config, scopes=scopes.DEPLOY
    ),
    "ListFunctionEventInvokeConfigs": Has(serve=event_settings.list_function_event_invoke_configs, scopes=scopes.LOOK),
    "AddPermission": Has(
        serve=policies.add_permission,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="the policy is kept and told, and means nothing: keys decide who may run a function",
    ),
    "RemovePermission": Has(serve=policies.remove_permission, scopes=scopes.DEPLOY),
    "GetPolicy": Has(serve=policies.get_policy, scopes=scopes.LOOK),
    "PutFunctionConcurrency": Has(
        serve=concurrency.put_function_concurrency,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="nothing is reserved: it is the most at once, beyond which runs wait; 0 stops this API's runs only",
    ),
    "GetFunctionConcurrency": Has(serve=concurrency.get_function_concurrency, scopes=scopes.LOOK),
    "DeleteFunctionConcurrency": Has(serve=concurrency.delete_function_concurrency, scopes=scopes.DEPLOY),
    "GetAccountSettings": Has(
        serve=concurrency.get_account_settings,
        scopes=_READ,
        missing="the tenant's quota; where it has none, AWS' own figures",
    ),
    "CreateFunctionUrlConfig": Has(
        serve=function_urls.create_function_url_config,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="the address is on the grid, under `/fn`; `AWS_IAM` means a key's token; "
        "`Cors`, `RESPONSE_STREAM` and qualifiers are refused",
    ),
    "GetFunctionUrlConfig": Has(serve=function_urls.get_function_url_config, scopes=scopes.LOOK),
    "UpdateFunctionUrlConfig": Has(
        serve=function_urls.update_function_url_config,
        scopes=scopes.DEPLOY,
        max_body=SMALL_BODY,
        missing="as `CreateFunctionUrlConfig`",
    ),
    "DeleteFunctionUrlConfig": Has(serve=function_urls.delete_function_url_config, scopes=scopes.DEPLOY),
    "ListFunctionUrlConfigs": Has(serve=function_urls.list_function_url_configs, scopes=scopes.LOOK),
    "InvokeWithResponseStream": Has(
        serve=response_streams.invoke_with_response_stream,
        scopes=scopes.RUN,
        max_body=MAX_INPUT_BYTES + _MARGIN,
        missing="what a function yields comes as it does; `awslambda.streamifyResponse` is not there",
    ),
    "ListTags": Has(serve=tags.list_tags, scopes=scopes.LOOK),
    "TagResource": Has(serve=tags.tag_resource, scopes=scopes.DEPLOY, max_body=SMALL_BODY),
    "UntagResource": Has(serve=tags.untag_resource, scopes=scopes.DEPLOY),
}
