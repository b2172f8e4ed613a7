"""The rows of the route table under which functions are called as if they were web servers."""

from nanogrid import errors
from nanogrid.api import calls, scopes
from nanogrid.api.message import ANY_TYPE
from nanogrid.api.route import ANY, Route
from nanogrid.model import MAX_INPUT_BYTES

_REFUSALS = (
    errors.FunctionNotFound,
    errors.SlowRequest,
    errors.TooLarge,
    errors.BacklogFull,
    errors.RunQuotaReached,
    errors.CallFailed,
    errors.AnswerRefused,
    errors.CallTimedOut,
)


def _row(path: str, operation_id: str, summary: str) -> Route:
    return Route(
        method=ANY,
        path=path,
        operation_id=operation_id,
        summary=summary,
        handler=calls.call_function,
        check=calls.check_call,
        guests=True,
        scopes=scopes.RUN,
        max_body=MAX_INPUT_BYTES,
        headers=("Traceparent",),
        answer_media_types=(ANY_TYPE,),
        refusals=_REFUSALS,
    )


CALL_ROUTES: tuple[Route, ...] = (
    _row("/fn/{name}", "callFunction", "Call a function by any method, and have what it returns as the answer"),
    _row("/fn/{name}/{path+}", "callPath", "The same, with a path that the function sees"),
)
