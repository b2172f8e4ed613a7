"""What MiniStack's KMS lacks of AWS's: sealing anew, and the limit on what is sealed at once."""

import base64
import json
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

#: Status, headers and body.
Answer = tuple[int, dict[str, str], bytes]
Handle = Callable[..., Awaitable[Answer]]

_MOST_BYTES = 4096
_OK = 200


def completed(kms: ModuleType) -> Handle:
    """MiniStack's own handler of KMS, with these around it."""
    inner: Handle = kms.handle_request

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        request = json.loads(body or b"{}")
        if operation == "ReEncrypt":
            return _sealed_anew(kms, request)
        if operation == "Encrypt" and len(base64.b64decode(request["Plaintext"])) > _MOST_BYTES:
            refused: Answer = kms.error_response_json("ValidationException", f"more than {_MOST_BYTES} bytes", 400)
            return refused
        return await inner(method, path, headers, body, query)

    return handle


def _sealed_anew(kms: ModuleType, request: dict[str, Any]) -> Answer:
    opened: Answer = kms._decrypt(  # noqa: SLF001 - it has no other place for new operations
        {"CiphertextBlob": request["CiphertextBlob"], "EncryptionContext": request.get("SourceEncryptionContext", {})}
    )
    if opened[0] != _OK:
        return opened
    sealed: Answer = kms._encrypt(  # noqa: SLF001 - as above
        {
            "KeyId": request["DestinationKeyId"],
            "Plaintext": json.loads(opened[2])["Plaintext"],
            "EncryptionContext": request.get("DestinationEncryptionContext", {}),
        }
    )
    return sealed
