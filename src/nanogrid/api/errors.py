"""Errors as answers: one table of statuses, one JSON shape (RFC 9457)."""

import msgspec

from nanogrid import errors
from nanogrid.api.message import PROBLEM, Answer
from nanogrid.errors import CallFailed, InvalidField, MethodNotAllowed, NanoGridError, TooManyRequests
from nanogrid.model import Record

#: The status of each class of errors; a class that is not named has that of its nearest base.
STATUSES: dict[type[NanoGridError], int] = {
    errors.NanoGridError: 500,
    errors.ConfigError: 500,
    errors.MalformedRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.SlowRequest: 408,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.AddressTooLong: 414,
    errors.UnsupportedMediaType: 415,
    errors.Misdirected: 421,
    errors.InvalidField: 422,
    errors.TooManyRequests: 429,
    errors.HeadersTooLarge: 431,
    errors.CallFailed: 502,
    errors.PlatformError: 503,
    errors.CallTimedOut: 504,
}
#: When to come again after a 503, in seconds.
_RETRY_UNAVAILABLE_S = 1


class FieldError(Record, frozen=True, kw_only=True):
    """What is wrong with one field."""

    #: Its place: `$.memoryMb` in a body, `?limit` in a query.
    path: str
    message: str


class Problem(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Every error's body, as `application/problem+json`."""

    #: Where the grid itself explains the error: a place on its page `/docs`.
    type: str
    title: str
    status: int
    #: What happened, where, and what to do about it.
    detail: str
    #: The error's stable name.
    code: str
    #: Finds the request in the grid's log; also in the header `X-Request-Id`.
    request_id: str
    errors: list[FieldError] = []


def status_of(kind: type[NanoGridError]) -> int:
    """The status that this class of errors is answered with."""
    return next(STATUSES[base] for base in kind.__mro__ if base in STATUSES)


def problem_answer(error: NanoGridError, request_id: str) -> Answer:
    """The answer that tells the error."""
    fields = [FieldError(path=error.path, message=error.detail)] if isinstance(error, InvalidField) else []
    status = status_of(type(error))
    problem = Problem(
        type=f"/docs#{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=status,
        detail=str(error),
        code=error.code,
        request_id=request_id,
        errors=fields,
    )
    return Answer(status=status, body=msgspec.json.encode(problem), media_type=PROBLEM, headers=_headers(error, status))


def internal_answer(request_id: str) -> Answer:
    """The answer to a fault of ours."""
    return problem_answer(internal_error(request_id), request_id)


def internal_error(request_id: str) -> NanoGridError:
    """What is told of a fault of ours: it names the request and leaks nothing."""
    return NanoGridError("the grid made a mistake over this request.", hint=f"Look for {request_id} in the grid's log.")


def _headers(error: NanoGridError, status: int) -> tuple[tuple[str, str], ...]:
    if isinstance(error, TooManyRequests):
        return (("retry-after", str(error.retry_after_s)),)
    if isinstance(error, MethodNotAllowed):
        return (("allow", ", ".join(error.allowed)),)
    if isinstance(error, CallFailed):
        return (("x-nanogrid-run", error.run_id),)
    return _HEADERS.get(status, ())


_HEADERS = {
    401: (("www-authenticate", 'Bearer realm="nanogrid"'),),
    # What is left of the body must not be read as the next request.
    408: (("connection", "close"),),
    503: (("retry-after", str(_RETRY_UNAVAILABLE_S)),),
}
