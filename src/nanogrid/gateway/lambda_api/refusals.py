"""How Lambda refuses: an exception with a name, a status and a body; and which of ours each of them stands for."""

import msgspec

from nanogrid import errors
from nanogrid.api.message import Answer

#: These write `Message`, all others `message`, as Lambda's model has it.
_CAPITAL = frozenset(
    {
        "CodeSigningConfigNotFoundException",
        "NoPublishedVersionException",
        "PublicPolicyException",
        "ResourceInUseException",
        "ResourceNotFoundException",
        "ServiceException",
        "AccessDeniedException",
    }
)
#: What is told before a request gets as far as Lambda itself.
_BEFORE_LAMBDA = frozenset({"AccessDeniedException", "RequestTimeoutException"})
_SERVER_FAULT = 500
_FORBIDDEN = 403


class Refusal(errors.NanoGridError):
    """Raised to tell a client of Lambda, in Lambda's own words, why there is no answer."""

    def __init__(
        self, code: str, status: int, message: str, *, reason: str = "", retry_after_s: int = 0, typed: bool = True
    ) -> None:
        """`code` is the exception's name in Lambda's model; untyped are those that come before Lambda itself."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.typed = typed


def refusal_answer(refusal: Refusal, request_id: str) -> Answer:
    """The answer that tells it."""
    body: dict[str, str] = {}
    if refusal.reason:
        body["Reason"] = refusal.reason
    if refusal.typed:
        body["Type"] = "Service" if refusal.status >= _SERVER_FAULT else "User"
    body["Message" if refusal.code in _CAPITAL else "message"] = refusal.message
    headers = [("x-amzn-errortype", refusal.code), ("x-amzn-requestid", request_id)]
    if refusal.retry_after_s:
        headers.append(("retry-after", str(refusal.retry_after_s)))
    return Answer(status=refusal.status, body=msgspec.json.encode(body), headers=tuple(headers))


def not_found(message: str) -> Refusal:
    """Something that is named is not there."""
    return Refusal("ResourceNotFoundException", 404, message)


def no_function(arn: str) -> Refusal:
    """There is no function (or no such version of it) under this ARN."""
    return not_found(f"Function not found: {arn}")


def invalid(message: str) -> Refusal:
    """A parameter that can be read, but not be had."""
    return Refusal("InvalidParameterValueException", 400, message)


def unsupported(member: str, why: str) -> Refusal:
    """A member of a request that this grid cannot do anything with."""
    return invalid(f"{member} is not supported by this grid: {why}")


def conflict(message: str) -> Refusal:
    """What is there stands against it."""
    return Refusal("ResourceConflictException", 409, message)


def precondition_failed() -> Refusal:
    """Somebody else has changed it since."""
    return Refusal(
        "PreconditionFailedException",
        412,
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )


def throttled(reason: str, retry_after_s: int) -> Refusal:
    """Too much at once."""
    return Refusal("TooManyRequestsException", 429, "Rate Exceeded.", reason=reason, retry_after_s=retry_after_s)


def not_implemented(operation: str) -> Refusal:
    """An operation of Lambda that this grid does not have."""
    return Refusal(
        "NotImplementedException",
        501,
        f"{operation} is not implemented by this grid; docs/lambda-api.md lists what is.",
        typed=False,
    )


def denied(who: str, operation: str, arn: str) -> Refusal:
    """The key is not for this."""
    return Refusal(
        "AccessDeniedException",
        _FORBIDDEN,
        f"User: {who} is not authorized to perform: lambda:{operation} on resource: {arn} "
        f"because no identity-based policy allows the lambda:{operation} action",
        typed=False,
    )


def of_error(error: BaseException) -> Refusal:
    """What one of our own errors is called in Lambda's language."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, errors.TooManyRequests):
        over_rate = isinstance(error, errors.RunQuotaReached)
        reason = "CallerRateLimitExceeded" if over_rate else "ConcurrentInvocationLimitExceeded"
        return throttled(reason, error.retry_after_s)
    for kind, (code, status) in _CODES.items():
        if isinstance(error, kind):
            return Refusal(code, status, str(error), typed=code not in _BEFORE_LAMBDA)
    said = str(error) if isinstance(error, errors.PlatformError) else "The grid made a mistake; its log says more."
    return Refusal("ServiceException", _SERVER_FAULT, said)


#: The first one that fits counts.
_CODES: dict[type[errors.NanoGridError], tuple[str, int]] = {
    errors.NotFound: ("ResourceNotFoundException", 404),
    errors.QuotaReached: ("CodeStorageExceededException", 400),
    errors.VersionBroken: ("InvalidParameterValueException", 400),
    errors.Conflict: ("ResourceConflictException", 409),
    errors.TooLarge: ("RequestTooLargeException", 413),
    errors.InvalidField: ("InvalidParameterValueException", 400),
    errors.MalformedRequest: ("InvalidRequestContentException", 400),
    errors.UnsupportedMediaType: ("UnsupportedMediaTypeException", 415),
    errors.SlowRequest: ("RequestTimeoutException", 408),
    errors.Forbidden: ("AccessDeniedException", _FORBIDDEN),
}
