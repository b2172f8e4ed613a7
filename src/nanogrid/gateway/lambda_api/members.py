"""The members of requests that make and change functions, what they must be, and which of them mean nothing here."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from nanogrid.change import Change
from nanogrid.gateway.lambda_api.call import Shape
from nanogrid.gateway.lambda_api.configuration import ARCHITECTURE, STORAGE_MB
from nanogrid.gateway.lambda_api.refusals import invalid, unsupported
from nanogrid.gateway.lambda_api.runtimes import native
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import MAX_MEMORY_MB, MAX_TIMEOUT_MS, MIN_MEMORY_MB, Network

#: The tag that says what a function may reach: Lambda has no setting for it.
NETWORK_TAG = "nanogrid:network"
_ROLE = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_MAX_DESCRIPTION = 256
_MAX_HANDLER = 128
#: What Lambda sets itself.
_RESERVED = frozenset(
    {
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    }
)


class Environment(Shape, frozen=True, kw_only=True):
    """Variables, which replace all that were there."""

    variables: dict[str, str] = {}


class Settings(Shape, frozen=True, kw_only=True):
    """What can be said of a function besides its code; what is None stays as it is."""

    role: str | None = None
    handler: str | None = None
    description: str | None = None
    timeout: int | None = None
    memory_size: int | None = None
    environment: Environment | None = None
    runtime: str | None = None
    revision_id: str | None = None
    vpc_config: Any = None
    dead_letter_config: Any = None
    kms_key_arn: Any = msgspec.field(name="KMSKeyArn", default=None)
    tracing_config: Any = None
    layers: Any = None
    file_system_configs: Any = None
    image_config: Any = None
    ephemeral_storage: Any = None
    snap_start: Any = None
    logging_config: Any = None
    capacity_provider_config: Any = None
    durable_config: Any = None
    tenancy_config: Any = None


class Code(Shape, frozen=True, kw_only=True):
    """Where code comes from."""

    zip_file: bytes | None = None
    s3_bucket: Any = None
    s3_key: Any = None
    image_uri: Any = None
    source_kms_key_arn: Any = msgspec.field(name="SourceKMSKeyArn", default=None)
    architectures: list[str] | None = None
    publish_to: Any = None


class Creation(Settings, frozen=True, kw_only=True):
    """`CreateFunction`."""

    function_name: str | None = None
    code: Code | None = None
    publish: bool = False
    publish_to: Any = None
    package_type: str | None = None
    tags: dict[str, str] = {}
    architectures: list[str] | None = None
    code_signing_config_arn: Any = None


class CodeUpdate(Code, frozen=True, kw_only=True):
    """`UpdateFunctionCode`."""

    publish: bool = False
    dry_run: bool = False
    revision_id: str | None = None


class _Foreign(NamedTuple):
    """A member that this grid cannot give any meaning."""

    member: str
    field: str
    why: str
    #: Whether this value asks for nothing that is not so anyway.
    harmless: Callable[[Any], bool] = lambda value: not value


_FOREIGN = (
    _Foreign("VpcConfig", "vpc_config", "it has no VPCs.", lambda v: not any(v.values())),
    _Foreign("DeadLetterConfig", "dead_letter_config", "it keeps dead letters itself.", lambda v: not any(v.values())),
    _Foreign("KMSKeyArn", "kms_key_arn", "it has no KMS."),
    _Foreign("TracingConfig", "tracing_config", "it has no X-Ray.", lambda v: v.get("Mode") in (None, "PassThrough")),
    _Foreign("Layers", "layers", "it has no layers; put the files into the archive."),
    _Foreign("FileSystemConfigs", "file_system_configs", "it mounts no file systems."),
    _Foreign("ImageConfig", "image_config", "it runs archives, not images.", lambda v: not any(v.values())),
    _Foreign(
        "EphemeralStorage", "ephemeral_storage", "its size is not a setting.", lambda v: v.get("Size") == STORAGE_MB
    ),
    _Foreign("SnapStart", "snap_start", "it has no snapshots.", lambda v: v.get("ApplyOn") in (None, "None")),
    _Foreign(
        "LoggingConfig",
        "logging_config",
        "logs are text, in the run's own record.",
        lambda v: v.get("LogFormat") in (None, "Text") and not set(v) - {"LogFormat", "LogGroup"},
    ),
    _Foreign("CapacityProviderConfig", "capacity_provider_config", "it has no capacity providers."),
    _Foreign("DurableConfig", "durable_config", "it has no durable executions."),
    _Foreign("TenancyConfig", "tenancy_config", "tenants are those of its keys."),
    _Foreign("CodeSigningConfigArn", "code_signing_config_arn", "it verifies no code signatures."),
    _Foreign("PublishTo", "publish_to", "it publishes numbered versions."),
    _Foreign("S3Bucket", "s3_bucket", "it reads no buckets; send the archive as ZipFile."),
    _Foreign("S3Key", "s3_key", "it reads no buckets; send the archive as ZipFile."),
    _Foreign("ImageUri", "image_uri", "it runs archives, not images."),
    _Foreign("SourceKMSKeyArn", "source_kms_key_arn", "it has no KMS."),
    _Foreign("PackageType", "package_type", "it runs archives, not images.", lambda v: v == "Zip"),
    _Foreign(
        "Architectures", "architectures", f"its machines are {ARCHITECTURE}.", lambda v: v in ([], [ARCHITECTURE])
    ),
)


def check_foreign(asked: Shape) -> None:
    """Refuse what asks for something that this grid does not have. Raises `Refusal`."""
    for foreign in _FOREIGN:
        value = getattr(asked, foreign.field, None)
        if value is None:
            continue
        try:
            harmless = foreign.harmless(value)
        except (AttributeError, TypeError):
            harmless = False
        if not harmless:
            raise unsupported(foreign.member, foreign.why)


def constrain(asked: Settings, constraints: Constraints) -> None:
    """What the members' types do not say."""
    constraints.matches("role", asked.role, _ROLE)
    constraints.length("handler", asked.handler, _MAX_HANDLER)
    constraints.matches("handler", asked.handler, r"[^\s]+")
    constraints.length("description", asked.description, _MAX_DESCRIPTION)
    constraints.at_least("timeout", asked.timeout, 1)
    constraints.at_most("timeout", asked.timeout, MAX_TIMEOUT_MS // 1000)
    constraints.at_least("memorySize", asked.memory_size, MIN_MEMORY_MB)
    constraints.at_most("memorySize", asked.memory_size, MAX_MEMORY_MB)


def change_of(asked: Settings) -> Change:
    """The same as a change of our own. Raises `Refusal`."""
    return Change(
        runtime=UNSET if asked.runtime is None else native(asked.runtime),
        handler=_given(asked.handler),
        memory_mb=_given(asked.memory_size),
        timeout_ms=UNSET if asked.timeout is None else asked.timeout * 1000,
        environment=UNSET if asked.environment is None else _variables(asked.environment.variables),
    )


def network_of(tags: dict[str, str]) -> Network:
    """What a function with these tags may reach. Raises `Refusal`."""
    asked = tags.get(NETWORK_TAG, Network.NONE.value)
    if asked not in list(Network):
        raise invalid(f"The tag {NETWORK_TAG} must be {' or '.join(Network)}, and not {asked[:40]!r}.")
    return Network(asked)


def _given(value: Any) -> Any | UnsetType:
    return UNSET if value is None else value


def _variables(variables: dict[str, str]) -> dict[str, str]:
    taken = sorted(_RESERVED.intersection(variables))
    if taken:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(taken)}"
        )
    for name, value in variables.items():
        if _VARIABLE.fullmatch(name) is None or "\0" in value:
            raise invalid(f"The environment variable {name[:80]!r} cannot be set.")
    return variables
