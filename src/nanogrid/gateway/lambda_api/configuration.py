"""A function as Lambda tells it."""

import base64
import platform
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType, structs

from nanogrid.gateway.lambda_api.call import Shape
from nanogrid.gateway.lambda_api.caller import Caller
from nanogrid.gateway.lambda_api.notes import Kept, Note, Published
from nanogrid.gateway.lambda_api.references import LATEST
from nanogrid.gateway.lambda_api.runtimes import shown
from nanogrid.model import Function

_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
#: The architecture that every function of this grid runs on.
ARCHITECTURE = _MACHINES.get(platform.machine(), platform.machine())
#: What `/tmp` may hold is not told apart here: this is what AWS gives whoever does not ask.
STORAGE_MB = 512


class Configuration(Shape, frozen=True, kw_only=True):
    """Lambda's `FunctionConfiguration`."""

    function_name: str
    function_arn: str
    runtime: str
    role: str
    handler: str
    code_size: int
    description: str
    timeout: int
    memory_size: int
    last_modified: str
    code_sha256: str
    version: str
    environment: dict[str, Any] | UnsetType = UNSET
    tracing_config: dict[str, str]
    revision_id: str
    state: str = "Active"
    state_reason: str | UnsetType = UNSET
    state_reason_code: str | UnsetType = UNSET
    last_update_status: str | UnsetType = "Successful"
    last_update_status_reason: str | UnsetType = UNSET
    last_update_status_reason_code: str | UnsetType = UNSET
    package_type: str
    architectures: list[str]
    ephemeral_storage: dict[str, int]
    snap_start: dict[str, str]
    logging_config: dict[str, str]


def latest_configuration(caller: Caller, function: Function, kept: Kept, qualifier: str = "") -> Configuration:
    """The version that still changes; the ARN has the qualifier under which it was asked for."""
    modified_at = max(function.updated_at, kept.value.modified_at or function.updated_at)
    return _configuration(
        function,
        kept.value.note,
        arn=caller.function_arn(function.name, qualifier),
        version=LATEST,
        description=kept.value.note.description,
        modified_at=modified_at,
        revision_id=kept.revision_id(function),
    )


def version_configuration(caller: Caller, function: Function, version: Published, qualifier: str = "") -> Configuration:
    """A published version; the ARN has the qualifier under which it was asked for."""
    return _configuration(
        function,
        version.note,
        arn=caller.function_arn(function.name, qualifier or str(function.version)),
        version=str(function.version),
        description=version.description,
        modified_at=function.updated_at,
        revision_id=version.revision_id(function.function_id),
    )


def just_created(function: Function, configuration: Configuration, kept: Kept) -> Configuration:
    """The same, as the one who has just made the function is told: it is active when he asks the next time."""
    return structs.replace(
        configuration,
        state="Pending",
        state_reason="The function is being created.",
        state_reason_code="Creating",
        last_update_status=UNSET,
        revision_id=kept.revision_id(function, "pending"),
    )


def just_updated(function: Function, configuration: Configuration, kept: Kept) -> Configuration:
    """The same, as the one who has just changed the function is told: it is done when he asks the next time."""
    return structs.replace(
        configuration,
        last_update_status="InProgress",
        last_update_status_reason="The function is being created.",
        revision_id=kept.revision_id(function, "updating"),
    )


def _configuration(
    function: Function, note: Note, *, arn: str, version: str, description: str, modified_at: datetime, revision_id: str
) -> Configuration:
    sha256, size = code_of(function, note)
    return Configuration(
        function_name=function.name,
        function_arn=arn,
        runtime=shown(note.runtime, function.runtime),
        role=note.role,
        handler=function.handler,
        code_size=size,
        description=description,
        # Seconds, and never none: a shorter time-out was set elsewhere.
        timeout=max(1, round(function.timeout_ms / 1000)),
        memory_size=function.memory_mb,
        last_modified=modified_at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{modified_at.microsecond // 1000:03d}+0000",
        code_sha256=sha256,
        version=version,
        environment={"Variables": function.environment} if function.environment else UNSET,
        tracing_config={"Mode": "PassThrough"},
        revision_id=revision_id,
        package_type="Zip",
        architectures=[ARCHITECTURE],
        ephemeral_storage={"Size": STORAGE_MB},
        snap_start={"ApplyOn": "None", "OptimizationStatus": "Off"},
        logging_config={"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"},
    )


def code_of(function: Function, note: Note) -> tuple[str, int]:
    """Digest and size of the archive as it was uploaded; of the canonical one, where that came another way."""
    if note.upload is not None and note.upload.canonical == function.code_sha256:
        return note.upload.sha256, note.upload.size
    return base64.b64encode(bytes.fromhex(function.code_sha256)).decode(), function.code_size
