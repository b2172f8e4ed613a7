"""The face itself: a route for each of Lambda's operations, each request verified, each error in Lambda's words."""

from collections.abc import Iterable
from itertools import groupby

from nanogrid.api import scopes
from nanogrid.api.auth import check_scopes
from nanogrid.api.message import JSON, Answer, Handler, Request, Stream
from nanogrid.api.route import Route
from nanogrid.api.services import Services
from nanogrid.errors import ScopeMissing
from nanogrid.gateway.lambda_api.call import Call
from nanogrid.gateway.lambda_api.downloads import DOWNLOAD, download_code
from nanogrid.gateway.lambda_api.operations import OPERATIONS, Operation
from nanogrid.gateway.lambda_api.refusals import denied, not_implemented, of_error, refusal_answer
from nanogrid.gateway.lambda_api.table import HAS, Has
from nanogrid.gateway.lambda_api.verification import Verification

_TABLE = HAS | {DOWNLOAD.name: Has(serve=download_code, scopes=scopes.LOOK)}


def lambda_routes(verification: Verification | None = None) -> list[Route]:
    """One route for each method and path of Lambda's API; those that this grid does not have answer 501."""
    face = _Face(verification or Verification())
    routes: list[Route] = []
    for (_, path), sharing in groupby(sorted([*OPERATIONS, DOWNLOAD], key=_address), key=_address):
        operations = list(sharing)
        # Older clients end paths with a slash.
        routes += [face.route(operations, path), face.route(operations, f"{path}/")]
    return routes


def _address(operation: Operation) -> tuple[str, str]:
    return operation.method, operation.path


class _Face:
    """Makes routes of operations."""

    def __init__(self, verification: Verification) -> None:
        self._verification = verification

    def route(self, sharing: list[Operation], path: str) -> Route:
        """The route to the operations that share method and path: the query tells them apart."""
        first = sharing[0]
        limits = [has.max_body for operation in sharing if (has := _TABLE.get(operation.name))]
        return Route(
            method=first.method,
            path=path,
            operation_id=f"lambda{first.name}",
            summary=f"Lambda's {first.name}",
            handler=self._handler(sharing),
            check=self._check,
            # Its signature is verified here, and not as a token.
            public=True,
            max_body=max(limits, default=0),
            answer_media_types=(JSON,),
            refuse=_refuse,
        )

    async def _check(self, request: Request, services: Services) -> None:
        """Let nobody unknown send a body."""
        await self._verification.check(request, services.key_ring)

    def _handler(self, sharing: Iterable[Operation]) -> Handler:
        by_query = sorted(sharing, key=lambda operation: operation.query, reverse=True)

        async def handle(request: Request, services: Services) -> Answer | Stream:
            operation = next(one for one in by_query if one.query in request.query)
            caller = await self._verification.caller(request, services.key_ring)
            has = _TABLE.get(operation.name)
            if has is None:
                raise not_implemented(operation.name)
            call = Call(operation=operation, request=request, services=services, caller=caller)
            _check_allowed(call, has)
            return await has.serve(call)

        return handle


def _check_allowed(call: Call, has: Has) -> None:
    try:
        check_scopes(call.caller.signatory.principal, has.scopes)
    except ScopeMissing as exc:
        arn = call.caller.function_arn(call.params.get("FunctionName", "*"))
        raise denied(call.caller.user_arn, call.operation.name, arn) from exc


def _refuse(error: Exception, request_id: str) -> Answer:
    return refusal_answer(of_error(error), request_id)
