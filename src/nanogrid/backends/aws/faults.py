"""What the services answer when something is wrong, in NanoGrid's words: the one place where it is translated."""

import re

import msgspec

from nanogrid.backends.aws.connection import Answer
from nanogrid.errors import StoreUnavailable

_FIRST_SERVER_ERROR = 500
_PASSING = frozenset({
    "InternalServerError", "InternalFailure", "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout",
    "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "OverLimit",
    "TransactionInProgressException",
})  # fmt: skip
_OLD_CREDENTIALS = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException",
})  # fmt: skip
_XML_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


class _Refusal(msgspec.Struct):
    kind: str = msgspec.field(name="__type", default="")
    message: str = ""
    Message: str = ""


class AwsError(StoreUnavailable):
    """Raised when a service refuses; adapters catch the codes that mean something to them, others are ours."""

    def __init__(self, service: str, operation: str, kind: str, message: str, answer: Answer) -> None:
        """`kind` is the service's own name for it, such as `ConditionalCheckFailedException`."""
        super().__init__(
            f"{service} {operation} failed: {kind or answer.status}: {message}",
            hint="Look at the settings and at the role's rights; `nanogrid aws status` shows the stack.",
        )
        self.kind = kind
        self.status = answer.status
        self.body = answer.body

    @property
    def passing(self) -> bool:
        """Whether it may be gone in a moment."""
        return self.status >= _FIRST_SERVER_ERROR or self.kind in _PASSING or self.stale_credentials

    @property
    def stale_credentials(self) -> bool:
        """Whether other credentials may be all that it takes."""
        return self.kind in _OLD_CREDENTIALS


def refusal(service: str, operation: str, answer: Answer) -> AwsError:
    """The error that an answer stands for."""
    if answer.body.startswith(b"<"):
        code, message = _XML_CODE.search(answer.body), _XML_MESSAGE.search(answer.body)
        kind = code[1].decode() if code else ""
        return AwsError(service, operation, kind, message[1].decode(errors="replace") if message else "", answer)
    try:
        said = msgspec.json.decode(answer.body, type=_Refusal)
    except msgspec.DecodeError:
        said = _Refusal()
    return AwsError(service, operation, said.kind.rpartition("#")[2], said.message or said.Message, answer)
