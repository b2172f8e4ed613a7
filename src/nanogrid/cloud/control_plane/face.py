"""The API as a Lambda sees it: one event in, one answer out."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from nanogrid.api.auth import Principal, check_scopes
from nanogrid.api.errors import internal_answer, problem_answer
from nanogrid.api.head import check_origin, slash_in_name
from nanogrid.api.message import Answer, Request, Stream
from nanogrid.api.route import Route, Router
from nanogrid.api.services import Services
from nanogrid.cloud.control_plane.event import Call, read_call, told
from nanogrid.errors import NanoGridError, PlatformError, TooLarge, Unauthorized

#: Who sent this Authorization header; raises `Unauthorized`.
Authenticate = Callable[[str | None], Awaitable[Principal]]
#: Keeps bytes, and says under which address they can be read for a while.
Spill = Callable[[bytes], Awaitable[str]]
#: Writes one event with its fields to the log.
Report = Callable[..., None]


class Face:
    """Answers calls of the HTTP API."""

    def __init__(
        self, routes: Iterable[Route], services: Services, authenticate: Authenticate, spill: Spill, report: Report
    ) -> None:
        """`spill` takes answers that are too large for a Lambda."""
        routes = list(routes)
        self._by_key = {f"{route.method} {route.path}": route for route in routes}
        self._router = Router(routes)
        self._services = services
        self._authenticate = authenticate
        self._spill = spill
        self._report = report

    async def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one event of payload format 2.0."""
        call = read_call(event)
        try:
            answer = await self._answer(call)
        except Exception as exc:  # noqa: BLE001 - the top: every request gets an answer
            answer = self._refusal(exc, call)
        return told(answer, call.request_id, head_only=call.method == "HEAD") or await self._spilled(answer, call)

    async def _answer(self, call: Call) -> Answer:
        check_origin(call.headers, call.path)
        route, params = self._find(call)
        principal = None if route.public else await self._authenticated(call, route)
        if len(call.body) > route.max_body and route.max_body:
            raise TooLarge(f"the body is larger than {route.max_body} bytes.")
        request = Request(
            id=call.request_id,
            method=call.method,
            path=call.path,
            params=params,
            query=call.query,
            headers=call.headers,
            body=call.body if route.max_body else b"",
            principal=principal,
            client=call.client,
        )
        answer = await route.handler(request, self._services)
        if isinstance(answer, Stream):
            raise TypeError(f"{route.operation_id} streams, which no Lambda can")
        return answer

    async def _authenticated(self, call: Call, route: Route) -> Principal | None:
        try:
            principal = await self._authenticate(call.headers.get("authorization"))
        except Unauthorized:
            if route.guests:
                return None
            raise
        if not route.guests:
            check_scopes(principal, route.scopes)
        return principal

    def _find(self, call: Call) -> tuple[Route, Mapping[str, str]]:
        """By route key; what API Gateway knows no key for is found, or refused, as the gateway does it."""
        route = self._by_key.get(call.route_key.replace("HEAD ", "GET ", 1))
        # API Gateway decodes a path before it tells it, so a slash in a name may have been an encoded one.
        names = [value for name, value in call.params.items() if name != "path"]
        if "%2f" in call.path.lower() or any("/" in value for value in names):
            raise slash_in_name(call.path)
        return (route, call.params) if route else self._router.find(call.method, call.path)

    def _refusal(self, exc: Exception, call: Call) -> Answer:
        """What the caller is told; what only we may know goes to the log."""
        if not isinstance(exc, NanoGridError):
            self._report("control_plane.failed", request_id=call.request_id, exc_info=exc)
            return internal_answer(call.request_id)
        if isinstance(exc, PlatformError):
            self._report("control_plane.unavailable", request_id=call.request_id, code=exc.code, detail=str(exc))
        return problem_answer(exc, call.request_id)

    async def _spilled(self, answer: Answer, call: Call) -> dict[str, Any]:
        """See elsewhere: where the whole answer lies for a while."""
        try:
            address = await self._spill(answer.body)
        except Exception as exc:  # noqa: BLE001 - as above
            elsewhere = self._refusal(exc, call)
        else:
            elsewhere = Answer(status=303, headers=(*answer.headers, ("location", address)))
        return told(elsewhere, call.request_id) or {"statusCode": 500}
