"""Every operation of Lambda's API: what it is called, and the method and path that lead to it."""

from typing import NamedTuple


class Operation(NamedTuple):
    """One operation, as Lambda's service model has it."""

    name: str
    method: str
    #: Path template; `{Name}` stands for one segment.
    path: str
    #: What the query has besides, where two operations share method and path.
    query: str = ""


OPERATIONS: tuple[Operation, ...] = (
    Operation("AddLayerVersionPermission", "POST", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy"),
    Operation("AddPermission", "POST", "/2015-03-31/functions/{FunctionName}/policy"),
    Operation("CheckpointDurableExecution", "POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/checkpoint"),
    Operation("CreateAlias", "POST", "/2015-03-31/functions/{FunctionName}/aliases"),
    Operation("CreateCapacityProvider", "POST", "/2025-11-30/capacity-providers"),
    Operation("CreateCodeSigningConfig", "POST", "/2020-04-22/code-signing-configs"),
    Operation("CreateEventSourceMapping", "POST", "/2015-03-31/event-source-mappings"),
    Operation("CreateFunction", "POST", "/2015-03-31/functions"),
    Operation("CreateFunctionUrlConfig", "POST", "/2021-10-31/functions/{FunctionName}/url"),
    Operation("DeleteAlias", "DELETE", "/2015-03-31/functions/{FunctionName}/aliases/{Name}"),
    Operation("DeleteCapacityProvider", "DELETE", "/2025-11-30/capacity-providers/{CapacityProviderName}"),
    Operation("DeleteCodeSigningConfig", "DELETE", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}"),
    Operation("DeleteEventSourceMapping", "DELETE", "/2015-03-31/event-source-mappings/{UUID}"),
    Operation("DeleteFunction", "DELETE", "/2015-03-31/functions/{FunctionName}"),
    Operation("DeleteFunctionCodeSigningConfig", "DELETE", "/2020-06-30/functions/{FunctionName}/code-signing-config"),
    Operation("DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/{FunctionName}/concurrency"),
    Operation("DeleteFunctionEventInvokeConfig", "DELETE", "/2019-09-25/functions/{FunctionName}/event-invoke-config"),
    Operation("DeleteFunctionUrlConfig", "DELETE", "/2021-10-31/functions/{FunctionName}/url"),
    Operation("DeleteLayerVersion", "DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}"),
    Operation(
        "DeleteProvisionedConcurrencyConfig", "DELETE", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency"
    ),
    Operation("DeleteResourcePolicy", "DELETE", "/2026-07-09/resource-policy/{ResourceArn}"),
    Operation("GetAccountSettings", "GET", "/2016-08-19/account-settings"),
    Operation("GetAlias", "GET", "/2015-03-31/functions/{FunctionName}/aliases/{Name}"),
    Operation("GetCapacityProvider", "GET", "/2025-11-30/capacity-providers/{CapacityProviderName}"),
    Operation("GetCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}"),
    Operation("GetDurableExecution", "GET", "/2025-12-01/durable-executions/{DurableExecutionArn}"),
    Operation("GetDurableExecutionHistory", "GET", "/2025-12-01/durable-executions/{DurableExecutionArn}/history"),
    Operation("GetDurableExecutionState", "GET", "/2025-12-01/durable-executions/{DurableExecutionArn}/state"),
    Operation("GetEventSourceMapping", "GET", "/2015-03-31/event-source-mappings/{UUID}"),
    Operation("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}"),
    Operation("GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/{FunctionName}/code-signing-config"),
    Operation("GetFunctionConcurrency", "GET", "/2019-09-30/functions/{FunctionName}/concurrency"),
    Operation("GetFunctionConfiguration", "GET", "/2015-03-31/functions/{FunctionName}/configuration"),
    Operation("GetFunctionEventInvokeConfig", "GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config"),
    Operation("GetFunctionRecursionConfig", "GET", "/2024-08-31/functions/{FunctionName}/recursion-config"),
    Operation("GetFunctionScalingConfig", "GET", "/2025-11-30/functions/{FunctionName}/function-scaling-config"),
    Operation("GetFunctionUrlConfig", "GET", "/2021-10-31/functions/{FunctionName}/url"),
    Operation("GetLayerVersion", "GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}"),
    Operation("GetLayerVersionByArn", "GET", "/2018-10-31/layers", "find=LayerVersion"),
    Operation("GetLayerVersionPolicy", "GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy"),
    Operation("GetPolicy", "GET", "/2015-03-31/functions/{FunctionName}/policy"),
    Operation("GetProvisionedConcurrencyConfig", "GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency"),
    Operation("GetResourcePolicy", "GET", "/2026-07-09/resource-policy/{ResourceArn}"),
    Operation("GetRuntimeManagementConfig", "GET", "/2021-07-20/functions/{FunctionName}/runtime-management-config"),
    Operation("Invoke", "POST", "/2015-03-31/functions/{FunctionName}/invocations"),
    Operation("InvokeAsync", "POST", "/2014-11-13/functions/{FunctionName}/invoke-async"),
    Operation(
        "InvokeWithResponseStream", "POST", "/2021-11-15/functions/{FunctionName}/response-streaming-invocations"
    ),
    Operation("ListAliases", "GET", "/2015-03-31/functions/{FunctionName}/aliases"),
    Operation("ListCapacityProviders", "GET", "/2025-11-30/capacity-providers"),
    Operation("ListCodeSigningConfigs", "GET", "/2020-04-22/code-signing-configs"),
    Operation("ListDurableExecutionsByFunction", "GET", "/2025-12-01/functions/{FunctionName}/durable-executions"),
    Operation("ListEventSourceMappings", "GET", "/2015-03-31/event-source-mappings"),
    Operation("ListFunctionEventInvokeConfigs", "GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config/list"),
    Operation("ListFunctionUrlConfigs", "GET", "/2021-10-31/functions/{FunctionName}/urls"),
    Operation(
        "ListFunctionVersionsByCapacityProvider",
        "GET",
        "/2025-11-30/capacity-providers/{CapacityProviderName}/function-versions",
    ),
    Operation("ListFunctions", "GET", "/2015-03-31/functions"),
    Operation(
        "ListFunctionsByCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions"
    ),
    Operation("ListLayerVersions", "GET", "/2018-10-31/layers/{LayerName}/versions"),
    Operation("ListLayers", "GET", "/2018-10-31/layers"),
    Operation(
        "ListProvisionedConcurrencyConfigs",
        "GET",
        "/2019-09-30/functions/{FunctionName}/provisioned-concurrency",
        "List=ALL",
    ),
    Operation("ListTags", "GET", "/2017-03-31/tags/{Resource}"),
    Operation("ListVersionsByFunction", "GET", "/2015-03-31/functions/{FunctionName}/versions"),
    Operation("PublishLayerVersion", "POST", "/2018-10-31/layers/{LayerName}/versions"),
    Operation("PublishVersion", "POST", "/2015-03-31/functions/{FunctionName}/versions"),
    Operation("PutFunctionCodeSigningConfig", "PUT", "/2020-06-30/functions/{FunctionName}/code-signing-config"),
    Operation("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/{FunctionName}/concurrency"),
    Operation("PutFunctionEventInvokeConfig", "PUT", "/2019-09-25/functions/{FunctionName}/event-invoke-config"),
    Operation("PutFunctionRecursionConfig", "PUT", "/2024-08-31/functions/{FunctionName}/recursion-config"),
    Operation("PutFunctionScalingConfig", "PUT", "/2025-11-30/functions/{FunctionName}/function-scaling-config"),
    Operation("PutProvisionedConcurrencyConfig", "PUT", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency"),
    Operation("PutResourcePolicy", "PUT", "/2026-07-09/resource-policy/{ResourceArn}"),
    Operation("PutRuntimeManagementConfig", "PUT", "/2021-07-20/functions/{FunctionName}/runtime-management-config"),
    Operation(
        "RemoveLayerVersionPermission",
        "DELETE",
        "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}",
    ),
    Operation("RemovePermission", "DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}"),
    Operation(
        "SendDurableExecutionCallbackFailure", "POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/fail"
    ),
    Operation(
        "SendDurableExecutionCallbackHeartbeat",
        "POST",
        "/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat",
    ),
    Operation(
        "SendDurableExecutionCallbackSuccess", "POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed"
    ),
    Operation("StopDurableExecution", "POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/stop"),
    Operation("TagResource", "POST", "/2017-03-31/tags/{Resource}"),
    Operation("UntagResource", "DELETE", "/2017-03-31/tags/{Resource}"),
    Operation("UpdateAlias", "PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}"),
    Operation("UpdateCapacityProvider", "PUT", "/2025-11-30/capacity-providers/{CapacityProviderName}"),
    Operation("UpdateCodeSigningConfig", "PUT", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}"),
    Operation("UpdateEventSourceMapping", "PUT", "/2015-03-31/event-source-mappings/{UUID}"),
    Operation("UpdateFunctionCode", "PUT", "/2015-03-31/functions/{FunctionName}/code"),
    Operation("UpdateFunctionConfiguration", "PUT", "/2015-03-31/functions/{FunctionName}/configuration"),
    Operation("UpdateFunctionEventInvokeConfig", "POST", "/2019-09-25/functions/{FunctionName}/event-invoke-config"),
    Operation("UpdateFunctionUrlConfig", "PUT", "/2021-10-31/functions/{FunctionName}/url"),
)
