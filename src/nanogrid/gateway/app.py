"""The gateway as one ASGI application: checks a request's head, finds its route, reads its body, sends the answer.

Bare ASGI on purpose: every request for a run goes through here, and each layer around it would cost all of them.
"""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable
from typing import cast

from starlette.types import Receive, Scope, Send

from nanogrid.api.auth import Auth, Principal, presented
from nanogrid.api.errors import internal_error, problem_answer
from nanogrid.api.head import check_origin
from nanogrid.api.message import Answer, Request, Stream
from nanogrid.api.route import Route, Router
from nanogrid.api.routes import ROUTES
from nanogrid.api.services import Services
from nanogrid.errors import CallFailed, NanoGridError, PlatformError
from nanogrid.gateway.console import console_routes
from nanogrid.gateway.head import Head, check_host, length_of, path_of, read_headers
from nanogrid.gateway.intake import Disconnected, Intake
from nanogrid.gateway.lambda_api.face import lambda_routes
from nanogrid.gateway.sending import send_answer, send_stream
from nanogrid.observe import Log, Metrics


class Gateway:
    """The HTTP face of a grid: `await gateway(scope, receive, send)`."""

    def __init__(
        self,
        services: Services,
        auth: Auth,
        log: Log,
        metrics: Metrics,
        *,
        allowed_hosts: frozenset[str],
        intake: Intake | None = None,
    ) -> None:
        """`allowed_hosts` are all names and addresses, without ports, under which the grid may be asked."""
        self._services = services
        self._auth = auth
        self._log = log
        self._answers = metrics.answers
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._intake = intake or Intake()
        self._router = Router([*ROUTES, *console_routes(), *lambda_routes()])
        self._stopping = asyncio.Event()
        # Unique over restarts, and cheap: a random beginning, then a count.
        self._prefix = f"req_{secrets.token_hex(6)}_"
        self._numbers = itertools.count(1)

    def stop_streams(self) -> None:
        """End what would never end by itself; whoever waits for a run and is cancelled now is told why."""
        self._stopping.set()

    def count_refusal(self, status: int) -> None:
        """Count an answer to what never became a request."""
        self._count(None, status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        request_id = self._new_id()
        head: Head | None = None
        try:
            head = self.read_head(scope)
            answer = await self._handled(head, receive, request_id)
        except Disconnected:
            return
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the top: every request gets an answer
            answer = self._refusal(exc, request_id, head)
        self._count(head, answer.status)
        head_only = scope["method"] == "HEAD"
        if isinstance(answer, Answer):
            await send_answer(answer, send, request_id, head_only=head_only)
        elif head_only:
            await send_answer(Answer(media_type=answer.media_type), send, request_id)
        else:
            await self._streamed(answer, receive, send, request_id)

    async def answer(self, head: Head, body: bytes) -> tuple[Answer, str]:
        """The answer to a request that is there in full, and the request's id: as `__call__`, without ASGI around it.

        The head is one of a route that answers in one piece.
        """
        request_id = self._new_id()
        try:
            answer = await self._call(head, body, self._admitted(head), request_id)
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the top: every request gets an answer
            answer = self._refusal(exc, request_id, head)
        self._count(head, answer.status)
        return cast("Answer", answer), request_id

    def read_head(self, scope: Scope) -> Head:
        """What is asked for, by a client that may speak to us. Raises what the client is to be told."""
        headers = read_headers(scope)
        check_host(headers, self._allowed_hosts)
        check_origin(headers, scope["path"])
        method, query = scope["method"], scope["query_string"].decode("latin-1")
        route, params = self._router.find(method, path_of(scope))
        return Head(
            route=route,
            params=params,
            headers=headers,
            method=method,
            path=scope["path"],
            raw_path=(scope.get("raw_path") or b"").decode("latin-1"),
            query=query,
            client=(scope.get("client") or ("",))[0],
            digest=presented(headers.get("authorization")),
            length=length_of(headers),
        )

    def _new_id(self) -> str:
        return f"{self._prefix}{next(self._numbers):x}"

    async def _handled(self, head: Head, receive: Receive, request_id: str) -> Answer | Stream:
        """The token comes before the body: nobody unknown makes the gateway keep a byte."""
        principal = self._admitted(head)
        if head.route.check is not None:
            await head.route.check(self._request(head, b"", principal, request_id), self._services)
        limit = head.route.max_body
        body = await self._intake.read(head.headers, receive, limit=limit) if limit else b""
        return await self._call(head, body, principal, request_id)

    def _admitted(self, head: Head) -> Principal | None:
        """Who asks; None where anybody may. Raises `Unauthorized`, `ScopeMissing`, `PlatformError`."""
        route = head.route
        principal = None if route.public else self._principal(route, head.digest)
        if route.method != "GET":
            self._check_ready()
        return principal

    def _principal(self, route: Route, digest: str | None) -> Principal | None:
        return self._auth.guest(digest) if route.guests else self._auth.admitted(digest, route.scopes)

    def _call(
        self, head: Head, body: bytes, principal: Principal | None, request_id: str
    ) -> Awaitable[Answer | Stream]:
        return head.route.handler(self._request(head, body, principal, request_id), self._services)

    def _request(self, head: Head, body: bytes, principal: Principal | None, request_id: str) -> Request:
        return Request(
            id=request_id,
            method=head.method,
            path=head.path,
            raw_path=head.raw_path,
            params=head.params,
            query=head.query,
            headers=head.headers,
            body=body,
            principal=principal,
            client=head.client,
        )

    def _check_ready(self) -> None:
        """A grid that drains still tells what there is, but changes nothing any more. Raises `PlatformError`."""
        reason = self._services.ready()
        if reason is not None:
            raise PlatformError(f"the grid takes nothing new ({reason}).", hint="Ask again in a moment.")

    async def _streamed(self, answer: Stream, receive: Receive, send: Send, request_id: str) -> None:
        try:
            await send_stream(answer, receive, send, request_id, stopping=self._stopping)
        except CallFailed:
            # The function's own failure: the broken connection tells its caller, the run's record everybody else.
            return
        except Exception as exc:  # noqa: BLE001 - the top: the answer has begun, so the log is all that is left
            self._log.error("gateway.stream_failed", request_id=request_id, exc_info=exc)

    def _refusal(self, exc: BaseException, request_id: str, head: Head | None) -> Answer:
        """What the client is told; what only we may know goes to the log."""
        if isinstance(exc, asyncio.CancelledError):
            if not self._stopping.is_set():
                raise exc
            exc = PlatformError("the grid is stopping.", hint="Ask again when it is back.")
        if not isinstance(exc, NanoGridError):
            self._log.error("gateway.failed", request_id=request_id, exc_info=exc)
            exc = internal_error(request_id)
        elif isinstance(exc, PlatformError):
            self._log.warning("gateway.unavailable", request_id=request_id, code=exc.code, detail=str(exc))
        refuse = (head.route.refuse if head is not None else None) or problem_answer
        return refuse(exc, request_id)

    def _count(self, head: Head | None, status: int) -> None:
        self._answers.add(head.route.operation_id if head else "none", status)
