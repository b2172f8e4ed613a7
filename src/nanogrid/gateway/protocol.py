"""The HTTP protocol of one connection: uvicorn's, with bounds, answers in order, and refusals in our own form.

What uvicorn leaves open, and this closes: a head, a trailer or a chunk extension without end; a connection too many;
an upgrade that swallows a body; a refusal that overtakes the answer before it.
"""

import asyncio
import enum
from typing import TYPE_CHECKING, Any, NoReturn, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from nanogrid.api.errors import problem_answer
from nanogrid.errors import (
    HeadersTooLarge,
    MalformedRequest,
    NanoGridError,
    PlatformError,
    SlowRequest,
    TooManyRequests,
)
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.gathering import Gathering
from nanogrid.gateway.head import MAX_ADDRESS_BYTES, MAX_HEADER_BYTES, Head, names_another_host
from nanogrid.gateway.known_heads import KnownHeads
from nanogrid.gateway.sending import encoded, new_request_id
from nanogrid.gateway.upgrade import ParserBehindUpgrade

if TYPE_CHECKING:
    from starlette.types import Scope
    from uvicorn._types import ASGI3Application

#: What may come on the wire without a head becoming complete or a body growing by a byte.
_MAX_OVERHEAD = 2 * (MAX_ADDRESS_BYTES + MAX_HEADER_BYTES)
#: How many requests may wait for the one before them.
_MAX_PIPELINED = 128
#: How long until a connection that was at work is looked at again, in seconds.
_RECHECK_S = 1.0


class HoldUp(enum.Enum):
    """What a client makes the server wait for while nobody works for it."""

    #: A request's head.
    HEAD = "head"
    #: The rest of a body that nobody wants any more.
    REST = "rest"
    #: The client's end of a connection whose other end is closed.
    CLOSE = "close"


class Protocol(HttpToolsProtocol):
    """One connection.

    Requests are numbered by `_heads`. `_working` is the one that is being answered, or was last; those behind it wait
    in uvicorn's `pipeline`, and uvicorn's `cycle` is the latest of all.
    """

    transport: Gathering

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        max_connections: int,
        gateway: Gateway,
        known: KnownHeads,
    ) -> None:
        """`max_connections` is how many the server has at once; `known` are the heads that need not be parsed."""
        super().__init__(config, server_state, app_state, _loop)
        self._gateway = gateway
        self._known = known
        #: The request at work is one that was not parsed: see `_answer_directly`.
        self._direct = False
        self._task: asyncio.Task[None] | None = None
        #: What came while that was at work.
        self._early = b""
        self._answered_at = 0.0
        #: Whether the direct answer that is due is the connection's last.
        self._closes = False
        self._max_connections = max_connections
        self._working: RequestResponseCycle | None = None
        self._heads = 0
        self._in_body = False
        self._overhead = 0
        self._progress = False
        self._refusal: NanoGridError | None = None
        #: Whether what is refused asked for no body.
        self._refused_head = False

    @property
    def hold_up(self) -> tuple[HoldUp, int] | None:
        """What the client makes the server wait for, and in which request; None while it does not."""
        if self.transport.lingers:
            return HoldUp.CLOSE, self._heads
        if self._at_work or self.transport.is_closing():
            return None
        if self._in_body:
            return HoldUp.REST, self._heads
        # uvicorn ends a connection that idles between two requests; any byte stops its timer.
        return None if self.timeout_keep_alive_task else (HoldUp.HEAD, self._heads)

    def cut(self) -> None:
        """End the connection for its hold-up; whoever has begun a request is told why."""
        if self._in_head and not self.transport.lingers:
            self._refuse(SlowRequest("the head did not arrive in time.", hint="Send it at once."))
        else:
            self.transport.drop()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many connections already."""
        super().connection_made(Gathering(transport, self.loop, unread=self._is_unread))
        if len(self.connections) > self._max_connections:
            self._refuse(PlatformError("the grid has as many connections as it may.", hint="Close idle ones."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request at work; uvicorn tells the latest one, which may still wait behind it."""
        if self._working is not None and not self._working.response_complete:
            self._working.disconnected = True
            self._working.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it leads nowhere, or is known already."""
        if self._refusal is not None or self.transport.lingers:
            return
        if self._direct:
            self._put_off(data)
            return
        begins = self._is_idle
        if begins and (found := self._known.find(data)):
            self._answer_directly(*found)
            return
        self._unset_keepalive_if_required()
        self._progress, before = False, self.cycle
        self._parse(data)
        self._overhead = 0 if self._progress else self._overhead + len(data)
        if self._overhead > _MAX_OVERHEAD:
            self._refuse(HeadersTooLarge(f"{_MAX_OVERHEAD} bytes came, but no end of a head and nothing of a body."))
        elif begins and self.cycle is not before and not self._in_body and not self._in_head:
            self._known.learn(data, cast("Scope", self.scope))

    def on_headers_complete(self) -> None:
        """Hand the request on, unless too many are waiting already."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._stop(TooManyRequests(f"more than {_MAX_PIPELINED} requests wait on this connection."))
        if not self.url.startswith(b"/") and names_another_host(self.url, self.headers):
            self._stop(MalformedRequest("the address names another host than the header Host."))
        super().on_headers_complete()
        # What still comes as headers are trailers, and nobody would check these.
        self.headers = []
        self._heads += 1
        self._in_body = self._progress = True
        if self.expect_100_continue:
            # Whoever is refused instead of told to continue may send the body nevertheless, or leave it out.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there in full."""
        if self.parser.should_upgrade():
            # Its body, if it has one, is yet to come.
            return
        self._in_body, self._progress = False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin with the next request, or say what has been kept back until now."""
        super().on_response_complete()
        if self._refusal is not None and not self._at_work:
            self._tell(self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        self._working = cycle
        super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        """Close as soon as the request at work is answered."""
        if self._direct:
            self._closes = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; answers that were given directly have not touched the timer."""
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._direct or left > 0:
            wait = max(left, _RECHECK_S)
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    # The direct way: a whole request with a known head is answered without a parser, ASGI messages or timers.

    @property
    def _is_idle(self) -> bool:
        """Whether the next byte begins a request, and nothing is owed to the one before."""
        if self._at_work or self._in_body or self._in_head or self.flow.write_paused or self.pipeline:
            return False
        return not self.transport.is_closing()

    def _answer_directly(self, head: Head, body: bytes) -> None:
        self._direct = True
        self._heads += 1
        self._task = self.loop.create_task(self._give_answer(head, body))
        self.tasks.add(self._task)

    async def _give_answer(self, head: Head, body: bytes) -> None:
        try:
            answer, request_id = await self._gateway.answer(head, body)
            whole = encoded(answer, request_id, self._date(), closes=self._closes)
        except BaseException:
            self.transport.abort()
            raise
        finally:
            # Not by a callback: it would cost each answer a turn of the event loop.
            self.tasks.discard(cast("asyncio.Task[None]", self._task))
        self._direct = False
        if not self.transport.is_closing():
            self.transport.write_whole(whole)
            self._go_on()

    def _date(self) -> bytes:
        """The headers that uvicorn makes anew each second."""
        return b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])

    def _go_on(self) -> None:
        """The request at work is answered: on to the next, or to the end."""
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self._closes:
            self.transport.close()
            return
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if self._early:
            data, self._early = self._early, b""
            self.flow.resume_reading()
            self.data_received(data)

    def _put_off(self, data: bytes) -> None:
        """Nothing is looked at before the request at work is answered; who sends more than a little has to wait."""
        self._early += data
        if len(self._early) > _MAX_OVERHEAD:
            self.flow.pause_reading()

    @property
    def _at_work(self) -> bool:
        return self._direct or (self._working is not None and not self._working.response_complete)

    @property
    def _in_head(self) -> bool:
        # uvicorn makes a scope when a head begins, and puts the path into it when the head is complete.
        return self.scope is not None and "path" not in self.scope  # type: ignore[redundant-expr]

    def _is_unread(self) -> bool:
        """Whether the client may send what nobody reads; in a flood of connections, nobody waits for that."""
        flooded = len(self.connections) > 2 * self._max_connections
        return not flooded and (self._in_body or self._refusal is not None)

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                behind = ParserBehindUpgrade(self)
                self.parser = behind.parser
                behind.begin(self.scope["headers"])
            except httptools.HttpParserError:
                self._refuse(MalformedRequest("this is not HTTP/1.1 as the gateway reads it."))
                return
            else:
                return

    def _stop(self, error: NanoGridError) -> NoReturn:
        """Refuse within a call of the parser, and let it parse nothing more."""
        self._refused_head = self.parser.get_method() == b"HEAD"
        self._refuse(error)
        raise BufferError

    def _refuse(self, error: NanoGridError) -> None:
        """Read nothing more; tell the client why as soon as all that it asked before is answered, and close."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self._refusal = error
        self.flow.pause_reading()
        # There are three cases: the broken request is the one at work, it waits behind others, or it has not begun.
        if self._in_body and self._working is self.cycle:
            self._break_off(error)
            return
        if self._in_body:
            self.pipeline.popleft()
        if not self._at_work:
            self._tell(error)

    def _break_off(self, error: NanoGridError) -> None:
        """The body of the request at work is broken: no two answers to one request."""
        if self.cycle.response_started:
            self.transport.close()
        else:
            self._tell(error)

    def _tell(self, error: NanoGridError) -> None:
        if self.transport.is_closing():
            return
        request_id = new_request_id()
        answer = problem_answer(error, request_id)
        self._gateway.count_refusal(answer.status)
        self.transport.write(encoded(answer, request_id, closes=True, head_only=self._refused_head))
        self.transport.close()
